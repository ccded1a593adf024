package dev.hydrallm.hub;

import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/** What asking a hub and sending to it share: connections, who says so, and the token, which is shown to the endpoint alone. Thread-safe. */
final class Connection implements AutoCloseable {
    /** Statuses that may pass with another try. */
    static final Set<Integer> BUSY = Set.of(408, 429, 500, 502, 503, 504);

    private static final Duration CONNECT = Duration.ofSeconds(10);

    private final HubSettings settings;
    private final Origin origin;
    // Redirects are for the callers to follow, because the token is for the endpoint only. HTTP/2 would put all files
    // of one
    // host through one connection.
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER)
            .connectTimeout(CONNECT)
            .build();

    Connection(HubSettings settings) {
        this.settings = settings;
        this.origin = Origin.of(settings.endpoint());
    }

    /** Whether an address is the endpoint's own, and not one that it sends to. */
    boolean isEndpoint(URI address) {
        return Origin.of(address).equals(origin);
    }

    /** Part of a path. */
    static String encode(String segment) {
        return URLEncoder.encode(segment, StandardCharsets.UTF_8).replace("+", "%20");
    }

    <T> CompletableFuture<HttpResponse<T>> send(
            HttpRequest.Builder request, URI address, HttpResponse.BodyHandler<T> handler) {
        request.header("User-Agent", "hydra");
        if (isEndpoint(address)) {
            settings.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
        }
        return http.sendAsync(request.build(), handler);
    }

    @Override
    public void close() {
        http.shutdownNow();
        http.close();
    }
}
