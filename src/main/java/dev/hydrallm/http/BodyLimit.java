package dev.hydrallm.http;

import io.quarkus.vertx.http.runtime.filters.Filters;
import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpVersion;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import org.jspecify.annotations.Nullable;

/** Refuses bodies that are too long, in the API's words, before they are read. */
@ApplicationScoped
class BodyLimit {
    /** Far more text than any context holds. */
    static final int BYTES = 2 << 20;

    private static final int AFTER_THE_API_KEY = 900;

    static ApiException tooLong() {
        return new ApiException(
                413, ErrorBody.INVALID_REQUEST, "the body is longer than " + BYTES + " bytes", null, "body_too_long");
    }

    void register(@Observes Filters filters) {
        filters.register(BodyLimit::check, AFTER_THE_API_KEY);
    }

    private static void check(RoutingContext routing) {
        if (length(routing.request().getHeader(HttpHeaders.CONTENT_LENGTH)) > BYTES) {
            if (routing.request().version() != HttpVersion.HTTP_2) {
                // Nobody reads the rest of the body.
                routing.response().putHeader(HttpHeaders.CONNECTION, "close");
            }
            tooLong().body().end(routing, 413);
        } else {
            routing.next();
        }
    }

    private static long length(@Nullable String header) {
        try {
            return header == null ? 0 : Long.parseLong(header);
        } catch (NumberFormatException e) {
            return 0; // HTTP's own checks refuse it
        }
    }
}
