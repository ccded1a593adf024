package dev.hydrallm.prompt;

import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jinjava.javax.el.ELException;
import org.jspecify.annotations.Nullable;

/** Python's {@code %} of a string and values, as far as chat templates use it. */
final class PercentFormat {
    /** Flags, a width and digits that cannot blow up the text, and the conversion. */
    private static final Pattern DIRECTIVE =
            Pattern.compile("%([-0+ ]?)(\\d{0,2})(?:\\.(\\d{1,2}))?(.)", Pattern.DOTALL);

    private PercentFormat() {}

    /** @throws ELException if the format asks for what is not known, or for more or fewer values than there are */
    static String format(String format, List<@Nullable Object> values) {
        Iterator<@Nullable Object> next = values.iterator();
        StringBuilder text = new StringBuilder();
        Matcher directive = DIRECTIVE.matcher(format);
        int end = 0;
        while (directive.find()) {
            text.append(format, end, directive.start())
                    .append(directive.group(4).equals("%") ? "%" : one(directive, next));
            end = directive.end();
        }
        if (next.hasNext()) {
            throw new ELException("more values than the format of a template's % has places for");
        }
        return text.append(format, end, format.length()).toString();
    }

    private static String one(Matcher directive, Iterator<@Nullable Object> next) {
        if (!next.hasNext()) {
            throw new ELException("fewer values than the format of a template's % has places for");
        }
        Object value = next.next();
        String digits = directive.group(3);
        String flags = directive.group(1) + directive.group(2);
        return switch (directive.group(4)) {
            case "s" -> {
                String shown = PythonOutput.text(value);
                int most = digits == null ? shown.length() : Math.min(shown.length(), Integer.parseInt(digits));
                yield padded(flags.replaceFirst("^[0+ ]+", ""), "s", shown.substring(0, most));
            }
            case "d", "i" -> padded(flags, "d", number(value).longValue());
            case "f" ->
                padded(
                        flags,
                        "." + (digits == null ? "6" : digits) + "f",
                        number(value).doubleValue());
            default -> throw new ELException("a template's % does not know " + directive.group());
        };
    }

    private static String padded(String flags, String conversion, Object value) {
        // Java wants a width behind a flag for it.
        String usable = flags.equals("-") || flags.equals("0") ? "" : flags;
        return String.format(Locale.ROOT, "%" + usable + conversion, value);
    }

    private static Number number(@Nullable Object value) {
        if (value instanceof Number number) {
            return number;
        }
        throw new ELException("a value for a number in a template's % is none");
    }
}
