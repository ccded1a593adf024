package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pushes to a hub that takes uploads as huggingface.co does: commits on one server, large files on another. */
final class PushCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String TOKEN = "hf_write";

    @TempDir
    Path folder;

    private final byte[] weights = new byte[100_000];
    private final HttpServer hub = server(this::answer);
    private final HttpServer store = server(this::store);
    /** Requests, as {@code METHOD path}. */
    private final List<String> requests = Collections.synchronizedList(new ArrayList<>());
    /** Large files by their SHA-256. */
    private final Map<String, byte[]> objects = Collections.synchronizedMap(new HashMap<>());

    private final Map<Integer, byte[]> parts = Collections.synchronizedMap(new TreeMap<>());
    /** What was committed, by branch and name. */
    private final Map<String, byte[]> committed = Collections.synchronizedMap(new TreeMap<>());

    private final Queue<Integer> failures = new ArrayDeque<>();
    private final List<String> shownToTheStore = Collections.synchronizedList(new ArrayList<>());
    private long chunk;
    private boolean exists;
    private String summary = "";

    @BeforeEach
    void write() throws IOException {
        new Random(1).nextBytes(weights);
        Files.write(folder.resolve("medusa_lm_head.safetensors"), weights);
        Files.writeString(
                folder.resolve("config.json"), "{\"medusa_num_heads\": 1, \"base_model_name_or_path\": \"org/base\"}");
        Files.writeString(folder.resolve("report.html"), "<!DOCTYPE html>");
        Files.writeString(folder.resolve("run.json"), "{}");
        Files.createDirectory(folder.resolve("checkpoint-00000001"));
        Files.writeString(folder.resolve("checkpoint-00000001/state.json"), "{}");
    }

    @AfterEach
    void close() {
        hub.stop(0);
        store.stop(0);
    }

    @Test
    void aFolderIsOneCommit() {
        CliRun run = push("org/heads");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).isEqualTo("https://hub/org/heads/commit/abc" + System.lineSeparator());
        assertThat(run.err())
                .contains(
                        "created org/heads",
                        "Uploading to org/heads [",
                        "100 % of 0.1 MB",
                        "Pushed 3 files to org/heads.")
                .doesNotContain("warning");
        assertThat(committed.keySet())
                .containsExactly("main/config.json", "main/medusa_lm_head.safetensors", "main/report.html");
        assertThat(committed.get("main/medusa_lm_head.safetensors")).isEqualTo(weights);
        assertThat(committed.get("main/report.html"))
                .asString(StandardCharsets.UTF_8)
                .isEqualTo("<!DOCTYPE html>");
        assertThat(summary).isEqualTo("Draft heads trained with Hydra");
        assertThat(requests).filteredOn(request -> request.contains("/commit/")).hasSize(1);
        // The token is the hub's alone.
        assertThat(shownToTheStore).isNotEmpty().containsOnly("");
    }

    @Test
    void aFileThatIsThereIsNotSentAgain() {
        assertThat(push("org/heads").exitCode()).isZero();
        requests.clear();
        CliRun again = push("org/heads", "--message", "Again");

        assertThat(again.exitCode()).isZero();
        assertThat(again.err()).contains("adding to org/heads");
        assertThat(requests).noneMatch(request -> request.startsWith("PUT"));
        assertThat(summary).isEqualTo("Again");
    }

    @Test
    void aLargeFileGoesInParts() {
        chunk = 30_000;
        CliRun run = push("org/heads", "--revision", "v2", "--private");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(committed.get("v2/medusa_lm_head.safetensors")).isEqualTo(weights);
        assertThat(requests)
                .contains("POST /api/models/org/heads/branch/v2", "POST /api/repos/create private")
                .filteredOn(request -> request.startsWith("PUT"))
                .hasSize(4);
    }

    @Test
    void whatFailsForAWhileIsTriedAgain() {
        failures.addAll(List.of(503, 429));
        CliRun run = push("org/heads");

        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("answers 503; trying again in 1 s");
        assertThat(committed.get("main/medusa_lm_head.safetensors")).isEqualTo(weights);
    }

    @Test
    void whatCannotBePushedIsSaidInOneLine() throws IOException {
        CliRun.assertRefused(
                CliRun.with(
                        Map.of("HF_ENDPOINT", address(hub), "HF_HOME", folder.toString()), "push", folder, "org/heads"),
                "without a token: set HF_TOKEN");
        CliRun.assertRefused(
                CliRun.with(Map.of("HF_ENDPOINT", address(hub), "HF_TOKEN", "hf_other"), "push", folder, "org/heads"),
                "may not write there (403)");
        CliRun.assertRefused(push("no-slash"), "is no repository");
        CliRun.assertRefused(
                CliRun.with(environment(), "push", folder.resolve("checkpoint-00000001"), "org/heads"),
                "holds no draft heads");
        Files.writeString(folder.resolve("config.json"), "{\"base_model_name_or_path\": \"/home/me/base\"}");
        assertThat(push("org/heads").err()).contains("warning", "names the base by a path");
    }

    private CliRun push(Object... arguments) {
        return CliRun.with(
                environment(),
                "push",
                Stream.concat(Stream.of(folder), Arrays.stream(arguments)).toArray());
    }

    private Map<String, String> environment() {
        return Map.of("HF_ENDPOINT", address(hub), "HF_TOKEN", TOKEN);
    }

    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        byte[] body = exchange.getRequestBody().readAllBytes();
        String shown = String.valueOf(exchange.getRequestHeaders().getFirst("Authorization"));
        if (!shown.equals("Bearer " + TOKEN)) {
            send(exchange, 403, JSON.createObjectNode());
            return;
        }
        if (path.equals("/api/repos/create")) {
            JsonNode asked = JSON.readTree(body);
            requests.add("POST " + path + (asked.path("private").asBoolean() ? " private" : ""));
            assertThat(asked.path("organization").asText() + "/"
                            + asked.path("name").asText())
                    .isEqualTo("org/heads");
            send(exchange, exists ? 409 : 200, JSON.createObjectNode());
            exists = true;
            return;
        }
        requests.add(exchange.getRequestMethod() + " " + path);
        if (path.contains("/preupload/")) {
            ObjectNode answer = JSON.createObjectNode();
            JsonNode file = JSON.readTree(body).path("files").path(0);
            String name = file.path("path").asText();
            byte[] sample = Base64.getDecoder().decode(file.path("sample").asText());
            assertThat(Files.readAllBytes(folder.resolve(name))).startsWith(sample);
            answer.putArray("files")
                    .addObject()
                    .put("path", name)
                    .put("uploadMode", name.endsWith(".safetensors") ? "lfs" : "regular");
            send(exchange, 200, answer);
        } else if (path.endsWith(".git/info/lfs/objects/batch")) {
            batch(exchange, JSON.readTree(body));
        } else if (path.equals("/complete")) {
            complete(exchange, JSON.readTree(body));
        } else if (path.equals("/verify")) {
            assertThat(objects).containsKey(JSON.readTree(body).path("oid").asText());
            send(exchange, 200, JSON.createObjectNode());
        } else if (path.contains("/branch/")) {
            send(exchange, 201, JSON.createObjectNode());
        } else if (path.contains("/commit/")) {
            commit(path.substring(path.lastIndexOf('/') + 1), new String(body, StandardCharsets.UTF_8));
            send(exchange, 200, JSON.createObjectNode().put("commitUrl", "https://hub/org/heads/commit/abc"));
        } else {
            send(exchange, 404, JSON.createObjectNode());
        }
    }

    private void batch(HttpExchange exchange, JsonNode asked) throws IOException {
        String oid = asked.path("objects").path(0).path("oid").asText();
        long size = asked.path("objects").path(0).path("size").asLong();
        ObjectNode answer = JSON.createObjectNode();
        ObjectNode object = answer.putArray("objects").addObject().put("oid", oid);
        if (!objects.containsKey(oid)) {
            ObjectNode actions = object.putObject("actions");
            ObjectNode upload = actions.putObject("upload");
            if (chunk == 0) {
                upload.put("href", address(store) + "/whole/" + oid);
            } else {
                upload.put("href", address(hub) + "/complete");
                ObjectNode header = upload.putObject("header").put("chunk_size", String.valueOf(chunk));
                for (int i = 1; i <= Math.ceilDiv(size, chunk); i++) {
                    header.put("%05d".formatted(i), address(store) + "/part/" + i);
                }
            }
            actions.putObject("verify").put("href", address(hub) + "/verify");
        }
        send(exchange, 200, answer);
    }

    private void complete(HttpExchange exchange, JsonNode asked) throws IOException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        ArrayNode named = (ArrayNode) asked.path("parts");
        for (int i = 0; i < named.size(); i++) {
            assertThat(named.get(i).path("partNumber").asInt()).isEqualTo(i + 1);
            assertThat(named.get(i).path("etag").asText()).isEqualTo("\"etag" + (i + 1) + "\"");
            whole.writeBytes(java.util.Objects.requireNonNull(parts.get(i + 1)));
        }
        objects.put(asked.path("oid").asText(), whole.toByteArray());
        send(exchange, 200, JSON.createObjectNode());
    }

    private void store(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        requests.add(exchange.getRequestMethod() + " " + path);
        byte[] body = exchange.getRequestBody().readAllBytes();
        String shown = exchange.getRequestHeaders().getFirst("Authorization");
        shownToTheStore.add(shown == null ? "" : shown);
        Integer failure = failures.poll();
        if (failure != null) {
            send(exchange, failure, JSON.createObjectNode());
            return;
        }
        String last = path.substring(path.lastIndexOf('/') + 1);
        if (path.startsWith("/part/")) {
            parts.put(Integer.parseInt(last), body);
            exchange.getResponseHeaders().set("ETag", "\"etag" + last + "\"");
        } else {
            objects.put(last, body);
        }
        send(exchange, 200, JSON.createObjectNode());
    }

    private void commit(String branch, String lines) throws IOException {
        for (String line : lines.lines().toList()) {
            JsonNode value = JSON.readTree(line).path("value");
            String name = branch + "/" + value.path("path").asText();
            switch (JSON.readTree(line).path("key").asText()) {
                case "header" -> summary = value.path("summary").asText();
                case "file" ->
                    committed.put(
                            name,
                            Base64.getDecoder().decode(value.path("content").asText()));
                case "lfsFile" -> {
                    byte[] content = java.util.Objects.requireNonNull(
                            objects.get(value.path("oid").asText()));
                    assertThat(sha256(content)).isEqualTo(value.path("oid").asText());
                    assertThat(content).hasSize(value.path("size").asInt());
                    committed.put(name, content);
                }
                default -> throw new AssertionError(line);
            }
        }
    }

    private static String sha256(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private static void send(HttpExchange exchange, int status, ObjectNode json) throws IOException {
        byte[] body = JSON.writeValueAsBytes(json);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }

    private static HttpServer server(com.sun.net.httpserver.HttpHandler handler) {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.createContext("/", handler);
            server.start();
            return server;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String address(HttpServer server) {
        return "http://" + server.getAddress().getHostString() + ":"
                + server.getAddress().getPort();
    }
}
