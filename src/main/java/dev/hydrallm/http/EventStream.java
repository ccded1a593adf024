package dev.hydrallm.http;

import io.smallrye.mutiny.Multi;
import io.smallrye.mutiny.operators.multi.processors.UnicastProcessor;
import io.vertx.core.Vertx;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Server-sent events of one answer, with comments now and then so that a silent stream is not taken for a dead one. Events
 * may be sent from several threads before anybody listens; they are kept in order.
 */
final class EventStream {
    private static final long HEARTBEAT_MILLIS = 15_000;
    private static final byte[] DATA = "data: ".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] BLANK_LINE = "\n\n".getBytes(StandardCharsets.US_ASCII);

    /** What is sent. */
    sealed interface Event {
        byte[] bytes();
    }

    private record Json(Object object) implements Event {
        @Override
        public byte[] bytes() {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            bytes.writeBytes(DATA);
            bytes.writeBytes(Answers.json(object));
            bytes.writeBytes(BLANK_LINE);
            return bytes.toByteArray();
        }
    }

    private enum Fixed implements Event {
        PING(": ping\n\n"),
        DONE("data: [DONE]\n\n");

        private final String text;

        Fixed(String text) {
            this.text = text;
        }

        @Override
        public byte[] bytes() {
            return text.getBytes(StandardCharsets.US_ASCII);
        }
    }

    private final UnicastProcessor<Event> events = UnicastProcessor.create();
    private final Vertx vertx;

    EventStream(Vertx vertx) {
        this.vertx = vertx;
    }

    /** An object as an event. */
    void send(Object object) {
        next(new Json(object));
    }

    /** The last event. */
    void end() {
        next(Fixed.DONE);
        synchronized (this) {
            events.onComplete();
        }
    }

    private synchronized void next(Event event) {
        events.onNext(event);
    }

    /** The events, for one listener. */
    Multi<Event> publisher() {
        return Multi.createFrom().deferred(() -> {
            long heartbeat = vertx.setPeriodic(HEARTBEAT_MILLIS, timer -> next(Fixed.PING));
            return events.onTermination().invoke(() -> vertx.cancelTimer(heartbeat));
        });
    }
}
