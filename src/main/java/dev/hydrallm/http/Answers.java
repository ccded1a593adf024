package dev.hydrallm.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.hydrallm.serving.Generation;
import dev.hydrallm.serving.GenerationListener;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.GenerationResult;
import dev.hydrallm.serving.ModelHost;
import io.smallrye.mutiny.Multi;
import io.smallrye.mutiny.Uni;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.http.HttpServerResponse;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.ws.rs.core.HttpHeaders;
import jakarta.ws.rs.core.MediaType;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.IntFunction;
import org.jboss.resteasy.reactive.RestMulti;

/** Runs an answer's generations and sends it whole or as events. A closed connection ends its generations. */
@ApplicationScoped
class Answers {
    private static final ObjectWriter JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .build()
            .writer();

    private static final long LOOK_MILLIS = 100;

    private final ModelHost host;
    private final ErrorMapping errors;
    private final Vertx vertx;

    Answers(ModelHost host, ErrorMapping errors, Vertx vertx) {
        this.host = host;
        this.errors = errors;
        this.vertx = vertx;
    }

    /**
     * Starts the generations, one choice each.
     *
     * @param connection where the answer goes
     * @throws dev.hydrallm.serving.QueueFullException if not all of them can be queued; then none is
     * @throws dev.hydrallm.serving.PromptTooLongException if a prompt leaves no room in the context
     */
    RestMulti<byte[]> start(
            List<GenerationRequest> requests, Delivery delivery, AnswerFormat format, HttpServerResponse connection) {
        return switch (delivery) {
            case WHOLE -> whole(requests, format, connection);
            case STREAM, STREAM_WITH_USAGE -> stream(requests, delivery, format, connection);
        };
    }

    private RestMulti<byte[]> whole(
            List<GenerationRequest> requests, AnswerFormat format, HttpServerResponse connection) {
        List<Generation> generations = submit(requests, choice -> GenerationListener.NONE, connection);
        Multi<byte[]> body = Uni.createFrom()
                .completionStage(all(generations))
                .onCancellation()
                .invoke(() -> generations.forEach(Generation::cancel))
                .onItem()
                .transform(done -> json(format.whole(results(generations))))
                .toMulti();
        return RestMulti.fromMultiData(body)
                .header(HttpHeaders.CONTENT_TYPE, MediaType.APPLICATION_JSON)
                .build();
    }

    private RestMulti<byte[]> stream(
            List<GenerationRequest> requests, Delivery delivery, AnswerFormat format, HttpServerResponse connection) {
        Context context = vertx.getOrCreateContext();
        EventStream events = new EventStream(vertx);
        for (int choice = 0; choice < requests.size(); choice++) {
            format.opening(choice).ifPresent(events::send);
        }
        List<Generation> generations = submit(
                requests, choice -> (text, origin) -> events.send(format.piece(choice, text, origin)), connection);
        List<CompletableFuture<?>> closings = new ArrayList<>();
        for (int choice = 0; choice < generations.size(); choice++) {
            int index = choice;
            closings.add(generations
                    .get(choice)
                    .result()
                    .thenAccept(result -> events.send(format.closing(index, result.finishReason()))));
        }
        var _ = CompletableFuture.allOf(closings.toArray(CompletableFuture[]::new))
                .whenComplete((done, error) -> {
                    if (error != null) {
                        generations.forEach(Generation::cancel);
                        events.send(errors.failed(error).getEntity());
                    } else if (delivery == Delivery.STREAM_WITH_USAGE) {
                        events.send(format.usage(Usage.of(results(generations))));
                    }
                    events.end();
                });
        // Written on the connection's own thread: the decoding thread only hands over.
        Multi<byte[]> body = events.publisher()
                .onCancellation()
                .invoke(() -> generations.forEach(Generation::cancel))
                .emitOn(command -> context.runOnContext(ignored -> command.run()))
                .map(EventStream.Event::bytes);
        return RestMulti.fromMultiData(body)
                .header(HttpHeaders.CONTENT_TYPE, MediaType.SERVER_SENT_EVENTS)
                .header(HttpHeaders.CACHE_CONTROL, "no-cache")
                // Proxies must not collect the stream.
                .header("X-Accel-Buffering", "no")
                .build();
    }

    private List<Generation> submit(
            List<GenerationRequest> requests,
            IntFunction<GenerationListener> listeners,
            HttpServerResponse connection) {
        List<Generation> generations = new ArrayList<>();
        try {
            for (GenerationRequest request : requests) {
                generations.add(host.generate(request, listeners.apply(generations.size())));
            }
            watch(connection, generations);
            return generations;
        } catch (RuntimeException e) {
            generations.forEach(Generation::cancel);
            throw e;
        }
    }

    /** A connection that was closed before anybody listened for it is noticed by looking. */
    private void watch(HttpServerResponse connection, List<Generation> generations) {
        long timer = vertx.setPeriodic(LOOK_MILLIS, each -> {
            if (connection.closed()) {
                generations.forEach(Generation::cancel);
            }
        });
        var _ = all(generations).whenComplete((done, error) -> vertx.cancelTimer(timer));
    }

    private static CompletableFuture<Void> all(List<Generation> generations) {
        return CompletableFuture.allOf(
                generations.stream().map(Generation::result).toArray(CompletableFuture[]::new));
    }

    private static List<GenerationResult> results(List<Generation> generations) {
        return generations.stream().map(each -> each.result().join()).toList();
    }

    static byte[] json(Object object) {
        try {
            return JSON.writeValueAsBytes(object);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
