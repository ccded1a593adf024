package dev.hydrallm.decoding;

/** A device had not enough memory for what it was asked. What it held before is as it was, so others can go on. */
public final class DeviceMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public DeviceMemoryException(String message, Throwable cause) {
        super(message, cause);
    }
}
