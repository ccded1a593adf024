package dev.hydrallm.hub;

/**
 * A model cannot be had from the hub. The message is one line without control characters, whatever a hub sent, and says
 * what to do where something can be done.
 */
public final class HubException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final int LONGEST_MESSAGE = 2_000;

    public HubException(String message) {
        super(oneLine(message));
    }

    public HubException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    private static String oneLine(String message) {
        String line = message.replaceAll("[\\p{Cntrl}\\u0080-\\u009f\\u2028\\u2029]", "?");
        return line.length() > LONGEST_MESSAGE ? line.substring(0, LONGEST_MESSAGE) + " …" : line;
    }
}
