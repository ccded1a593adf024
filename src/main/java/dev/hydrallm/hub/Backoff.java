package dev.hydrallm.hub;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The pauses between tries of one thing. Not thread-safe. */
public final class Backoff {
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);
    private static final Duration LONGEST_RETRY_AFTER = Duration.ofMinutes(5);

    private final String what;
    private final Patience patience;
    private final Consumer<String> notices;
    private int failures;

    /** Something that may fail for a while. */
    @FunctionalInterface
    public interface Try<T> {
        T once() throws IOException;
    }

    /** @param what is tried, to be named when it fails */
    public Backoff(String what, Patience patience, Consumer<String> notices) {
        this.what = what;
        this.patience = patience;
        this.notices = notices;
    }

    /** Tries until it works; throws what {@link #pause} throws. */
    public <T> T untilItWorks(Try<T> attempt) {
        while (true) {
            try {
                return attempt.once();
            } catch (IOException e) {
                pause(e);
            }
        }
    }

    /** Forgets earlier failures, as something was achieved since. */
    public void reset() {
        failures = 0;
    }

    /**
     * Waits before the next try, as long as the hub asked for.
     *
     * @throws HubException when that was the last try, or when the thread was interrupted
     */
    public void pause(IOException failure) {
        if (Thread.currentThread().isInterrupted() || failure.getCause() instanceof InterruptedException) {
            // Somebody gave up all of it; there is no next try to speak of.
            throw interrupted(failure);
        }
        failures++;
        if (failures >= patience.tries()) {
            throw new HubException(what + ": " + reason(failure) + "; given up after " + failures + " tries", failure);
        }
        Duration pause = patience.firstPause().multipliedBy(1L << (failures - 1));
        if (pause.compareTo(LONGEST_PAUSE) > 0) {
            pause = LONGEST_PAUSE;
        }
        if (failure instanceof BusyException busy && busy.retryAfter().isPresent()) {
            Duration asked = busy.retryAfter().get();
            if (asked.compareTo(LONGEST_RETRY_AFTER) > 0) {
                throw new HubException(
                        what + ": " + reason(failure) + " and asks for " + asked.toSeconds()
                                + " s of silence; try again then",
                        failure);
            }
            pause = asked.compareTo(pause) > 0 ? asked : pause;
        }
        notices.accept(
                what + ": " + reason(failure) + "; trying again in " + Math.ceilDiv(pause.toMillis(), 1000) + " s");
        try {
            Thread.sleep(pause);
        } catch (InterruptedException e) {
            throw interrupted(e);
        }
    }

    static HubException interrupted(Exception e) {
        Thread.currentThread().interrupt();
        return new HubException("interrupted", e);
    }

    /** What an exception says, else what it is: a refused connection has no message. */
    static String reason(Throwable failure) {
        String message = failure.getMessage();
        @Nullable Throwable cause = failure.getCause();
        if (cause != null && (message == null || failure instanceof ExecutionException)) {
            return reason(cause);
        }
        return message == null || message.isBlank() ? failure.getClass().getSimpleName() : message;
    }
}
