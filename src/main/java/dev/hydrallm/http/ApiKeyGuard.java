package dev.hydrallm.http;

import io.quarkus.vertx.http.runtime.filters.Filters;
import io.vertx.core.http.HttpHeaders;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.Optional;
import org.eclipse.microprofile.config.Config;
import org.jspecify.annotations.Nullable;

/**
 * With a key configured every route but health answers 401 without it: as a bearer token, or as the password that a
 * browser asks for. Keys are compared in constant time.
 */
@ApplicationScoped
class ApiKeyGuard {
    /** Before everything else that handles requests. */
    private static final int FIRST = 1_000;

    private static final String API_KEY = "hydra.api-key";
    private static final String HEALTH = "/q/health";
    private static final String BEARER = "Bearer ";
    private static final String BASIC = "Basic ";

    private final Optional<byte[]> key;

    ApiKeyGuard(Config config) {
        // As it was given: a key may hold what the configuration would expand.
        this.key = Optional.ofNullable(config.getConfigValue(API_KEY).getRawValue())
                .filter(text -> !text.isEmpty())
                .map(text -> text.getBytes(StandardCharsets.UTF_8));
    }

    void register(@Observes Filters filters) {
        key.ifPresent(expected -> filters.register(routing -> guard(routing, expected), FIRST));
    }

    private static void guard(RoutingContext routing, byte[] expected) {
        String path = routing.normalizedPath();
        boolean health = path.equals(HEALTH) || path.startsWith(HEALTH + "/");
        byte[] given = given(routing.request().getHeader(HttpHeaders.AUTHORIZATION));
        if (health || MessageDigest.isEqual(expected, given)) {
            routing.next();
            return;
        }
        ErrorBody body = ErrorBody.of(
                ErrorBody.AUTHENTICATION,
                "this server needs its API key: send it as 'Authorization: Bearer KEY'",
                null,
                "invalid_api_key");
        routing.response().putHeader("WWW-Authenticate", "Basic realm=\"any name, the API key as password\"");
        body.end(routing, 401);
    }

    private static byte[] given(@Nullable String authorization) {
        if (authorization == null) {
            return new byte[0];
        }
        if (authorization.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
            return authorization.substring(BEARER.length()).getBytes(StandardCharsets.UTF_8);
        }
        if (authorization.regionMatches(true, 0, BASIC, 0, BASIC.length())) {
            try {
                String pair = new String(
                        Base64.getDecoder().decode(authorization.substring(BASIC.length())), StandardCharsets.UTF_8);
                return pair.substring(pair.indexOf(':') + 1).getBytes(StandardCharsets.UTF_8);
            } catch (IllegalArgumentException e) {
                return new byte[0];
            }
        }
        return new byte[0];
    }
}
