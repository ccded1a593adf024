package dev.hydrallm.http;

import dev.hydrallm.decoding.DeviceMemoryException;
import dev.hydrallm.decoding.NotFiniteException;
import dev.hydrallm.serving.ModelUnavailableException;
import dev.hydrallm.serving.PromptTooLongException;
import dev.hydrallm.serving.QueueFullException;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.WebApplicationException;
import jakarta.ws.rs.core.HttpHeaders;
import jakarta.ws.rs.core.MediaType;
import jakarta.ws.rs.core.Response;
import java.time.Duration;
import java.util.concurrent.CompletionException;
import org.jboss.logging.Logger;
import org.jboss.resteasy.reactive.server.ServerExceptionMapper;

/** Every exception as an OpenAI error body, with the headers that tell clients whether to try again. */
@ApplicationScoped
class ErrorMapping {
    private static final Logger LOG = Logger.getLogger(ErrorMapping.class);
    /** What one request in the queue ahead takes, roughly. */
    private static final Duration BUSY = Duration.ofSeconds(1);

    /** An error with what surrounds it. */
    private static Response.ResponseBuilder response(int status, ErrorBody body) {
        return Response.status(status).entity(body).type(MediaType.APPLICATION_JSON_TYPE);
    }

    private static Response retryable(int status, ErrorBody body, Duration after) {
        return response(status, body)
                .header(HttpHeaders.RETRY_AFTER, Math.max(1, after.toSeconds()))
                .build();
    }

    private static Response.ResponseBuilder hopeless(int status, ErrorBody body) {
        // The official clients obey this before the status.
        return response(status, body).header("x-should-retry", "false");
    }

    @ServerExceptionMapper
    public Response refused(ApiException e) {
        return hopeless(e.status(), e.body()).build();
    }

    @ServerExceptionMapper
    public Response tooLong(PromptTooLongException e) {
        return hopeless(400, ErrorBody.of(e)).build();
    }

    @ServerExceptionMapper
    public Response queueFull(QueueFullException e) {
        return retryable(429, body(ErrorBody.RATE_LIMIT, e, "queue_full"), BUSY);
    }

    @ServerExceptionMapper
    public Response unavailable(ModelUnavailableException e) {
        return retryable(503, body(ErrorBody.UNAVAILABLE, e, "model_unavailable"), e.retryAfter());
    }

    /** What JAX-RS itself refuses: no such path, method or media type. */
    @ServerExceptionMapper
    public Response web(WebApplicationException e) {
        int status = e.getResponse().getStatus();
        ErrorBody body = ErrorBody.of(
                status < 500 ? ErrorBody.INVALID_REQUEST : ErrorBody.SERVER,
                switch (status) {
                    case 404 -> "there is no such path";
                    case 405 -> "this path does not know that method";
                    case 406 -> "no such representation; ask for application/json";
                    case 415 -> "the body must be JSON, with Content-Type: application/json";
                    default -> String.valueOf(e.getMessage());
                },
                null,
                null);
        Response.ResponseBuilder response = hopeless(status, body);
        Object allow = e.getResponse().getHeaders().getFirst(HttpHeaders.ALLOW);
        return allow == null
                ? response.build()
                : response.header(HttpHeaders.ALLOW, allow).build();
    }

    @ServerExceptionMapper
    public Response failed(Throwable e) {
        Throwable told = e instanceof CompletionException && e.getCause() != null ? e.getCause() : e;
        return switch (told) {
            case ApiException refused -> refused(refused);
            case ModelUnavailableException unavailable -> unavailable(unavailable);
            case QueueFullException full -> queueFull(full);
            case DeviceMemoryException full -> {
                LOG.warn(full.getMessage());
                yield ofServer(
                        503,
                        "the device has no memory for this request beside the others: try again later, or ask for less");
            }
            case NotFiniteException broken -> {
                String reason = String.valueOf(broken.getMessage());
                LOG.error(reason);
                yield ofServer(500, reason);
            }
            default -> {
                LOG.error("a request failed", told);
                // What is inside is none of the client's business.
                yield ofServer(500, "this request failed");
            }
        };
    }

    private static Response ofServer(int status, String reason) {
        return hopeless(status, ErrorBody.of(ErrorBody.SERVER, reason, null, null))
                .build();
    }

    private static ErrorBody body(String type, RuntimeException e, String code) {
        return ErrorBody.of(type, String.valueOf(e.getMessage()), null, code);
    }
}
