package dev.hydrallm.natives;

/** The system has no memory left to give. */
public final class NoRoomException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    NoRoomException(long bytes) {
        super("no room for " + (bytes >> 20) + " MiB");
    }
}
