package dev.hydrallm.testing;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A hub that answers like huggingface.co, on two servers: small files come, after a redirect, from the hub itself with
 * their git blob's SHA-1; weights come from a second server, to which the hub redirects, with their SHA-256.
 */
public final class FakeHub implements AutoCloseable {
    public static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpServer hub = server(this::answer);
    private final HttpServer cdn = server(this::sendContent);
    private final Map<String, Map<String, byte[]>> repositories = new ConcurrentHashMap<>();
    private final Map<String, Queue<Fault>> faults = new ConcurrentHashMap<>();
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private volatile Optional<String> token = Optional.empty();
    private volatile Optional<String> listing = Optional.empty();
    private volatile Optional<Long> announcedSize = Optional.empty();

    /** What was asked for. */
    public record Request(String server, String method, String path, String authorization, String range) {}

    /** Something other than the right answer, once. */
    @FunctionalInterface
    public interface Fault {
        void answer(HttpExchange exchange, byte[] content, int from) throws IOException;

        /** Breaks the connection after some bytes. */
        static Fault dropAfter(int bytes) {
            return (exchange, content, from) -> {
                begin(exchange, content, from);
                exchange.getResponseBody().write(content, from, bytes);
                exchange.getResponseBody().flush();
                // A reset may overtake what was sent before it.
                sleep(100);
                exchange.close();
            };
        }

        /** Ends in good order, but early. */
        static Fault truncateTo(int bytes) {
            return (exchange, content, from) -> {
                exchange.sendResponseHeaders(200, bytes);
                exchange.getResponseBody().write(content, 0, bytes);
            };
        }

        /** Sends another content of the same length. */
        static Fault corrupt() {
            return (exchange, content, from) -> {
                byte[] wrong = content.clone();
                wrong[wrong.length - 1] ^= 1;
                send(exchange, wrong, from);
            };
        }

        /** Sends all of it whatever the range. */
        static Fault ignoreRange() {
            return (exchange, content, from) -> send(exchange, content, 0);
        }

        /** Sends more than was announced. */
        static Fault tooMuch() {
            return (exchange, content, from) -> {
                exchange.sendResponseHeaders(200, 0);
                exchange.getResponseBody().write(content);
                exchange.getResponseBody().write(content);
            };
        }

        /** Answers without a body. */
        static Fault status(int status, String retryAfter) {
            return (exchange, content, from) -> {
                exchange.getResponseHeaders().set("Retry-After", retryAfter);
                exchange.sendResponseHeaders(status, -1);
            };
        }

        /** Sends some bytes and then nothing. */
        static Fault stallAfter(int bytes, long millis) {
            return (exchange, content, from) -> {
                begin(exchange, content, from);
                exchange.getResponseBody().write(content, from, bytes);
                exchange.getResponseBody().flush();
                sleep(millis);
                exchange.close();
            };
        }

        /** Sends the right content, later. */
        static Fault slow(long millis) {
            return (exchange, content, from) -> {
                sleep(millis);
                send(exchange, content, from);
            };
        }

        private static void sleep(long millis) {
            try {
                Thread.sleep(millis);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** A file of a repository. */
    public FakeHub put(String repository, String file, byte[] content) {
        repositories.computeIfAbsent(repository, name -> new TreeMap<>()).put(file, content);
        return this;
    }

    /** A text file of a repository. */
    public FakeHub put(String repository, String file, String content) {
        return put(repository, file, content.getBytes(StandardCharsets.UTF_8));
    }

    /** All files of a directory. */
    public FakeHub putAll(String repository, Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                put(repository, file.getFileName().toString(), Files.readAllBytes(file));
            }
            return this;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What happens instead at the next requests for a file's content. */
    public FakeHub fail(String file, Fault... next) {
        faults.computeIfAbsent(file, name -> new ArrayDeque<>()).addAll(List.of(next));
        return this;
    }

    /** Everything asks for this token from now on. */
    public FakeHub requireToken(String wanted) {
        token = Optional.of(wanted);
        return this;
    }

    /** What the hub says of a repository, whatever it holds. */
    public FakeHub listing(String json) {
        listing = Optional.of(json);
        return this;
    }

    /** The length that files are said to have. */
    public FakeHub announceSize(long size) {
        announcedSize = Optional.of(size);
        return this;
    }

    public String address() {
        return address(hub);
    }

    /** All requests since the last {@link #forget}. */
    public List<Request> requests() {
        return List.copyOf(requests);
    }

    /** The requests for a file's content. */
    public List<Request> downloads(String file) {
        return requests.stream()
                .filter(request -> request.method.equals("GET") && request.path.startsWith("/content/"))
                .filter(request -> request.path.endsWith("/" + file))
                .toList();
    }

    public void forget() {
        requests.clear();
    }

    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        if (path.startsWith("/content/")) {
            sendContent(exchange);
            return;
        }
        note("hub", exchange);
        if (exchange.getRequestMethod().equals("POST")) {
            take(exchange, path);
            return;
        }
        String[] parts = path.substring(1).split("/", path.startsWith("/api/") ? 6 : 5);
        boolean api = parts[0].equals("api");
        String repository = api ? parts[2] + "/" + parts[3] : parts[0] + "/" + parts[1];
        String revision = api ? parts[5] : parts[3];
        String shown = header(exchange, "Authorization");
        if (token.isPresent() && !shown.equals("Bearer " + token.get())) {
            refuse(exchange, shown.isEmpty() ? 401 : 403, "GatedRepo");
        } else if (!repositories.containsKey(repository)) {
            refuse(exchange, 404, "RepoNotFound");
        } else if (!List.of("main", "v1", COMMIT).contains(revision)) {
            refuse(exchange, 404, "RevisionNotFound");
        } else if (api) {
            send(exchange, listing.orElse(listingOf(repository)).getBytes(StandardCharsets.UTF_8), 0);
        } else {
            redirect(exchange, repository, parts[4]);
        }
    }

    /** Any push, whose files all belong in git; what was committed is not kept. */
    private static void take(HttpExchange exchange, String path) throws IOException {
        exchange.getRequestBody().readAllBytes();
        String answer = path.contains("/commit/")
                ? "{\"commitUrl\": \"https://hub/commit/" + COMMIT + "\"}"
                : "{\"files\": [{\"uploadMode\": \"regular\"}]}";
        send(exchange, answer.getBytes(StandardCharsets.UTF_8), 0);
        exchange.close();
    }

    private String listingOf(String repository) {
        return "{\"sha\": \"" + COMMIT + "\", \"siblings\": "
                + files(repository).keySet().stream()
                        .map(name -> "{\"rfilename\": \"" + name + "\"}")
                        .collect(Collectors.joining(", ", "[", "]"))
                + "}";
    }

    private Map<String, byte[]> files(String repository) {
        return repositories.getOrDefault(repository, Map.of());
    }

    private void redirect(HttpExchange exchange, String repository, String file) throws IOException {
        byte @Nullable [] content = files(repository).get(file);
        if (content == null) {
            refuse(exchange, 404, "EntryNotFound");
            return;
        }
        String place = "/content/" + repository + "/" + file;
        exchange.getResponseHeaders().set("X-Repo-Commit", COMMIT);
        if (isLarge(file)) {
            exchange.getResponseHeaders().set("X-Linked-Etag", "\"" + hash("SHA-256", content) + "\"");
            exchange.getResponseHeaders()
                    .set(
                            "X-Linked-Size",
                            announcedSize.orElse((long) content.length).toString());
            exchange.getResponseHeaders().set("Location", address(cdn) + place + "?signature=a%3Db");
        } else {
            exchange.getResponseHeaders().set("Location", place);
        }
        exchange.sendResponseHeaders(isLarge(file) ? 302 : 307, -1);
        exchange.close();
    }

    /** Whether a file is kept beside git. */
    public static boolean isLarge(String file) {
        return file.matches(".*\\.(safetensors|bin|pt|gguf)");
    }

    /** The etag of a content, without quotes. */
    public static String etag(String file, byte[] content) {
        return isLarge(file) ? hash("SHA-256", content) : hash("SHA-1", gitBlob(content));
    }

    private void sendContent(HttpExchange exchange) throws IOException {
        note(exchange.getLocalAddress().getPort() == cdn.getAddress().getPort() ? "cdn" : "hub", exchange);
        String[] parts = exchange.getRequestURI().getPath().split("/", 5);
        String file = parts[4];
        byte[] content = Objects.requireNonNull(files(parts[2] + "/" + parts[3]).get(file));
        exchange.getResponseHeaders().set("ETag", "W/\"" + hash("SHA-1", gitBlob(content)) + "\"");
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", Integer.toString(content.length));
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
            return;
        }
        String range = header(exchange, "Range");
        int from = range.isEmpty() ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
        Fault fault = faults.getOrDefault(file, new ArrayDeque<>()).poll();
        if (fault == null) {
            send(exchange, content, from);
        } else {
            fault.answer(exchange, content, from);
        }
        exchange.close();
    }

    private static void begin(HttpExchange exchange, byte[] content, int from) throws IOException {
        if (from > 0) {
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
        }
        // A length of 0 would mean chunks.
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length == from ? -1 : content.length - from);
    }

    private static void send(HttpExchange exchange, byte[] content, int from) throws IOException {
        begin(exchange, content, from);
        try (OutputStream body = exchange.getResponseBody()) {
            body.write(content, from, content.length - from);
        }
    }

    private static void refuse(HttpExchange exchange, int status, String code) throws IOException {
        exchange.getResponseHeaders().set("X-Error-Code", code);
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }

    private void note(String server, HttpExchange exchange) {
        requests.add(new Request(
                server,
                exchange.getRequestMethod(),
                exchange.getRequestURI().getPath(),
                header(exchange, "Authorization"),
                header(exchange, "Range")));
    }

    private static String header(HttpExchange exchange, String name) {
        String value = exchange.getRequestHeaders().getFirst(name);
        return value == null ? "" : value;
    }

    private static byte[] gitBlob(byte[] content) {
        byte[] header = ("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII);
        byte[] all = new byte[header.length + content.length];
        System.arraycopy(header, 0, all, 0, header.length);
        System.arraycopy(content, 0, all, header.length, content.length);
        return all;
    }

    private static String hash(String algorithm, byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private HttpServer server(com.sun.net.httpserver.HttpHandler handler) {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.createContext("/", handler);
            server.setExecutor(threads);
            server.start();
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String address(HttpServer server) {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    @Override
    public void close() {
        hub.stop(0);
        cdn.stop(0);
        threads.shutdownNow();
    }
}
