package dev.hydrallm.training.data;

/** A data file cannot be used: it is broken, of another kind, or not what it says. The message is one line and names the file. */
public final class DataFormatException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public DataFormatException(String message) {
        super(oneLine(message));
    }

    public DataFormatException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    /** What a file says must not command a terminal. */
    private static String oneLine(String message) {
        return message.replaceAll("[\\p{Cntrl}\\u0080-\\u009f\\u2028\\u2029]", "?");
    }
}
