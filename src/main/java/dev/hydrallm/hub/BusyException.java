package dev.hydrallm.hub;

import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/** A hub that asks to be asked again. */
public final class BusyException extends IOException {
    private static final long serialVersionUID = 1L;

    private final transient Optional<Duration> retryAfter;

    public BusyException(String message, Optional<Duration> retryAfter) {
        super(message);
        this.retryAfter = retryAfter;
    }

    /** How long the hub wants to be left alone, where it said so. */
    public Optional<Duration> retryAfter() {
        return retryAfter;
    }
}
