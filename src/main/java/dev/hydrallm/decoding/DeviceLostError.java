package dev.hydrallm.decoding;

/** A device that answers everything with an error from now on. */
public final class DeviceLostError extends Error {
    private static final long serialVersionUID = 1;

    public DeviceLostError(String message, Throwable cause) {
        super(message, cause);
    }
}
