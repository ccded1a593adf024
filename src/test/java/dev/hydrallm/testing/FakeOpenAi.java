package dev.hydrallm.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;

/** A server with OpenAI's API that answers with what it was asked, and misbehaves when told to. */
public final class FakeOpenAi implements AutoCloseable {
    private static final JsonMapper JSON = new JsonMapper();

    /** Something other than an answer, once. */
    @FunctionalInterface
    public interface Fault {
        void answer(HttpExchange exchange) throws IOException;

        /** Another status. */
        static Fault status(int status, String body) {
            return exchange -> send(exchange, status, body);
        }

        /** Asks for patience. */
        static Fault busy() {
            return exchange -> {
                exchange.getResponseHeaders().add("Retry-After", "0");
                send(exchange, 429, "{}");
            };
        }

        /** Breaks the connection in the middle of an answer. */
        static Fault drop() {
            return exchange -> {
                exchange.sendResponseHeaders(200, 1000);
                exchange.getResponseBody().write('{');
                exchange.getResponseBody().flush();
                exchange.close();
            };
        }
    }

    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final HttpServer server;
    private final Queue<Fault> faults = new ConcurrentLinkedQueue<>();
    private final List<JsonNode> bodies = new CopyOnWriteArrayList<>();
    private final List<String> keys = new CopyOnWriteArrayList<>();
    private final AtomicInteger running = new AtomicInteger();
    private final AtomicInteger most = new AtomicInteger();

    public FakeOpenAi() {
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        server.createContext("/v1/", exchange -> {
            try (exchange) {
                answer(exchange);
            }
        });
        server.setExecutor(threads);
        server.start();
    }

    public String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** Misbehaves at the next requests for answers, one each. */
    public void next(Fault... next) {
        faults.addAll(List.of(next));
    }

    /** The bodies of requests that were answered. */
    public List<JsonNode> bodies() {
        return bodies;
    }

    public List<String> keys() {
        return keys;
    }

    /** The most answers in the making at once: one that the client has already seen, or that broke, does not count. */
    public int most() {
        return most.get();
    }

    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        keys.add(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
        if (path.equals("/v1/models")) {
            send(exchange, 200, "{\"data\":[{\"id\":\"fake\"}]}");
            return;
        }
        JsonNode body = JSON.readTree(exchange.getRequestBody());
        Fault fault = faults.poll();
        if (fault != null) {
            fault.answer(exchange);
            return;
        }
        most.accumulateAndGet(running.incrementAndGet(), Math::max);
        try {
            Thread.sleep(20);
        } catch (InterruptedException e) {
            throw new IOException(e);
        } finally {
            running.decrementAndGet();
        }
        ObjectNode choice = JSON.createObjectNode();
        if (path.equals("/v1/chat/completions")) {
            JsonNode last = body.path("messages").path(body.path("messages").size() - 1);
            choice.putObject("message")
                    .put("content", " re: " + last.path("content").asText());
        } else {
            choice.put("text", " and so on");
        }
        choice.put("finish_reason", body.has("max_tokens") ? "length" : "stop");
        ObjectNode answer = JSON.createObjectNode();
        answer.putArray("choices").add(choice);
        bodies.add(body);
        send(exchange, 200, answer.toString());
    }

    private static void send(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
