package dev.hydrallm.prompt;

import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/** What chat templates may call besides Jinja's own; the library asks for public static methods. */
public final class TemplateFunctions {
    private TemplateFunctions() {}

    /** A template's own refusal. */
    static final class Raised extends RuntimeException {
        private static final long serialVersionUID = 1;

        Raised(String message) {
            super(message);
        }
    }

    /** Lets a template refuse a conversation. */
    public static Object raise_exception(String message) {
        throw new Raised(message);
    }

    /** The present time by a format of strftime, in English. */
    public static String strftime_now(String format) {
        return strftime(LocalDateTime.now(ZoneId.systemDefault()), format);
    }

    static String strftime(LocalDateTime time, String format) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < format.length(); i++) {
            char letter = format.charAt(i);
            if (letter != '%' || i + 1 == format.length()) {
                text.append(letter);
                continue;
            }
            char directive = format.charAt(++i);
            // %-d is %d without its zero.
            boolean bare = directive == '-' && i + 1 < format.length();
            if (bare) {
                directive = format.charAt(++i);
            }
            String value = directive == '%'
                    ? "%"
                    : DateTimeFormatter.ofPattern(pattern(directive), Locale.US).format(time);
            text.append(bare ? value.replaceFirst("^0+(?=\\d)", "") : value);
        }
        return text.toString();
    }

    private static String pattern(char directive) {
        return switch (directive) {
            case 'a' -> "EEE";
            case 'A' -> "EEEE";
            case 'b' -> "MMM";
            case 'B' -> "MMMM";
            case 'd' -> "dd";
            case 'H' -> "HH";
            case 'I' -> "hh";
            case 'j' -> "DDD";
            case 'm' -> "MM";
            case 'M' -> "mm";
            case 'p' -> "a";
            case 'S' -> "ss";
            case 'T' -> "HH:mm:ss";
            case 'F' -> "yyyy-MM-dd";
            case 'y' -> "yy";
            case 'Y' -> "yyyy";
            default -> throw new Raised("strftime_now does not know %" + directive);
        };
    }
}
