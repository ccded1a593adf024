package dev.hydrallm.model;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * A model's file cannot be used: broken, hostile, of an unsupported kind, or not what its neighbours promise.
 *
 * <p>The message is one line without control characters, so that names taken from a file cannot forge log lines. It
 * names the file and, where there is one, the tensor.
 */
public class ModelFormatException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private static final int LONGEST_MESSAGE = 4_000;
    private static final int LISTED_NAMES = 20;

    public ModelFormatException(String message) {
        super(oneLine(message));
    }

    public ModelFormatException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    /** The names joined by commas, in their order; of many, the first twenty and the number of the others. */
    public static String list(Collection<String> names) {
        List<String> shown = new ArrayList<>(names.stream().limit(LISTED_NAMES).toList());
        if (names.size() > LISTED_NAMES) {
            shown.add("and " + (names.size() - LISTED_NAMES) + " more");
        }
        return String.join(", ", shown);
    }

    /** What went wrong with a file, in words: some exceptions say its name alone. */
    static String reason(IOException e) {
        return switch (e) {
            case AccessDeniedException denied -> "permission denied";
            case NoSuchFileException missing -> "no such file";
            default -> String.valueOf(e.getMessage());
        };
    }

    private static String oneLine(String message) {
        StringBuilder line = new StringBuilder();
        for (char c : message.substring(0, Math.min(message.length(), LONGEST_MESSAGE))
                .toCharArray()) {
            if (Character.isISOControl(c) || c == '\u2028' || c == '\u2029' || Character.isSurrogate(c)) {
                line.append(String.format("\\u%04x", (int) c));
            } else {
                line.append(c);
            }
        }
        return message.length() > LONGEST_MESSAGE ? line + " …" : line.toString();
    }
}
