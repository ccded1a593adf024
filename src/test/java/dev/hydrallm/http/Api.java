package dev.hydrallm.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/** A plain HTTP client of the server under test. */
final class Api implements AutoCloseable {
    private static final JsonMapper JSON = new JsonMapper();

    private final HttpClient client = HttpClient.newHttpClient();
    private final URI base;

    Api(URI base) {
        this.base = base;
    }

    /** A response with its body as JSON. */
    record Answer(int status, JsonNode json, Map<String, List<String>> headers) {
        String header(String name) {
            return headers.getOrDefault(name, List.of("")).getFirst();
        }

        JsonNode error() {
            return json.path("error");
        }
    }

    Answer post(String path, String body) {
        return post(path, body.getBytes(StandardCharsets.UTF_8));
    }

    Answer post(String path, byte[] body) {
        return send(request(path).header("Content-Type", "application/json").POST(BodyPublishers.ofByteArray(body)));
    }

    Answer get(String path) {
        return send(request(path).GET());
    }

    HttpRequest.Builder request(String path) {
        // As it stands: resolving would tidy it up.
        return HttpRequest.newBuilder(URI.create("http://" + base.getAuthority() + path));
    }

    Answer send(HttpRequest.Builder request) {
        HttpResponse<String> response = text(request);
        return new Answer(
                response.statusCode(),
                parse(response.body()),
                response.headers().map());
    }

    HttpResponse<String> text(HttpRequest.Builder request) {
        try {
            return client.send(request.build(), BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The data lines of a stream as they stand, {@code [DONE]} included. */
    List<String> events(String path, String body) {
        HttpResponse<String> response =
                text(request(path).header("Content-Type", "application/json").POST(BodyPublishers.ofString(body)));
        if (response.statusCode() != 200) {
            throw new AssertionError(response.body());
        }
        return response.body()
                .lines()
                .filter(line -> !line.isEmpty() && !line.startsWith(":"))
                .map(line -> {
                    if (!line.startsWith("data: ")) {
                        throw new AssertionError("no data line: " + line);
                    }
                    return line.substring("data: ".length());
                })
                .toList();
    }

    static JsonNode parse(String json) {
        try {
            return JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new AssertionError("no JSON: " + json, e);
        }
    }

    /** The value of a metric, the sum over its tags. */
    double metric(String name) {
        return text(request("/q/metrics").GET())
                .body()
                .lines()
                .filter(line -> line.startsWith(name + " ") || line.startsWith(name + "{"))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .sum();
    }

    /** Blocks until the model has been loaded. */
    void awaitReady() {
        await(() -> get("/q/health/ready").status() == 200);
    }

    /** Asks again and again until it holds; the test's own timeout ends what never does. */
    void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            LockSupport.parkNanos(20_000_000);
        }
    }

    @Override
    public void close() {
        client.close();
    }
}
