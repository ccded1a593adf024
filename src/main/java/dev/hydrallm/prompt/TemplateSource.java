package dev.hydrallm.prompt;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a template as Python's Jinja does with {@code trim_blocks} and {@code lstrip_blocks}, and writes it for the
 * library, which knows no whitespace control of expressions, no {@code for … if}, no neighbours of a loop's item and no
 * errors for unknown filters.
 */
final class TemplateSource {
    private static final Pattern FILTER = Pattern.compile("\\|[\\s.]*(\\w+)");
    private static final Pattern FILTERED_LOOP =
            Pattern.compile("for\\s+(.+?)\\s+in\\s+(.+?)\\s+if\\s+(.+)", Pattern.DOTALL);
    private static final Pattern LOOP = Pattern.compile("for\\s+(.+?)\\s+in\\s+(.+)", Pattern.DOTALL);
    private static final Pattern END_RAW = Pattern.compile("\\{%[-+]?\\s*endraw\\s*[-+]?%}");
    private static final Pattern ESCAPE =
            Pattern.compile("\\\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|.)", Pattern.DOTALL);

    private final String text;
    private final Predicate<String> knownFilter;
    private final StringBuilder out = new StringBuilder();
    /** Where the next plain text begins. */
    private int at;
    /** Whether that is the beginning of a line. */
    private boolean lineStart = true;

    private int loops;
    /** The variables with the items of the loops that are open, the innermost first; used for neighbours only. */
    private final Deque<String> openLoops = new ArrayDeque<>();

    private final boolean neighbours;

    private TemplateSource(String text, Predicate<String> knownFilter) {
        this.text = text;
        this.knownFilter = knownFilter;
        this.neighbours = PythonSyntax.asksForNeighbours(text);
    }

    /**
     * A template in the library's terms.
     *
     * @throws IllegalArgumentException if a tag is not closed or a filter is not known
     */
    static String translate(String text, Predicate<String> knownFilter) {
        // Jinja drops one line end at the end of a template.
        return new TemplateSource(text.endsWith("\n") ? text.substring(0, text.length() - 1) : text, knownFilter)
                .translate();
    }

    private String translate() {
        for (int open = nextTag(); open >= 0; open = nextTag()) {
            char kind = text.charAt(open + 1);
            char left = open + 2 < text.length() ? text.charAt(open + 2) : ' ';
            plain(leftTrimmed(text.substring(at, open), kind, left));
            int inside = open + 2 + (left == '-' || left == '+' ? 1 : 0);
            int close = closeOf(kind, inside, open);
            char right = close > inside ? text.charAt(close - 1) : ' ';
            String code = text.substring(inside, right == '-' || right == '+' ? close - 1 : close)
                    .strip();
            at = close + 2;
            if (kind == '%' && code.equals("raw")) {
                raw();
            } else {
                rightTrim(kind, right);
                emit(kind, code);
            }
        }
        plain(text.substring(at));
        return out.toString();
    }

    private int nextTag() {
        for (int i = at; i + 1 < text.length(); i++) {
            if (text.charAt(i) == '{' && "{%#".indexOf(text.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return -1;
    }

    private String leftTrimmed(String plain, char kind, char left) {
        if (left == '-') {
            return plain.stripTrailing();
        }
        int line = plain.lastIndexOf('\n') + 1;
        boolean alone = (line > 0 || lineStart) && plain.substring(line).isBlank();
        return alone && kind != '{' && left != '+' ? plain.substring(0, line) : plain;
    }

    private void rightTrim(char kind, char right) {
        int end = at;
        if (right == '-') {
            while (end < text.length() && Character.isWhitespace(text.charAt(end))) {
                end++;
            }
        } else if (kind != '{' && right != '+' && text.startsWith("\n", end)) {
            end++;
        }
        lineStart = end > at && text.charAt(end - 1) == '\n';
        at = end;
    }

    /** A brace at the end must not grow together with the tag that follows. */
    private void plain(String plain) {
        boolean brace = plain.endsWith("{");
        out.append(brace ? plain.substring(0, plain.length() - 1) + "{{ '{' }}" : plain);
    }

    private int closeOf(char kind, int from, int open) {
        int depth = 0;
        for (int i = from; i + 1 < text.length(); i++) {
            char c = text.charAt(i);
            if (kind != '#' && PythonSyntax.isQuote(c)) {
                i = PythonSyntax.endOfString(text, i);
            } else if (depth == 0 && c == (kind == '{' ? '}' : kind) && text.charAt(i + 1) == '}') {
                return i;
            } else if (kind == '{' && c == '{') {
                depth++;
            } else if (kind == '{' && c == '}') {
                depth--;
            }
        }
        throw new IllegalArgumentException("the chat template has a tag that is not closed: "
                + text.substring(open, Math.min(text.length(), open + 40))
                        .lines()
                        .findFirst()
                        .orElse(""));
    }

    private void raw() {
        Matcher end = END_RAW.matcher(text);
        if (!end.find(at)) {
            throw new IllegalArgumentException("the chat template has a tag that is not closed: {% raw %}");
        }
        out.append("{% raw %}").append(text, at, end.start()).append("{% endraw %}");
        at = end.end();
        lineStart = false;
    }

    private void emit(char kind, String code) {
        if (kind == '#') {
            return;
        }
        Code parsed = Code.of(PythonSyntax.rewrite(code, Optional.ofNullable(openLoops.peek())));
        Matcher filter = FILTER.matcher(parsed.outline());
        while (filter.find()) {
            if (!knownFilter.test(filter.group(1))) {
                throw new IllegalArgumentException("the chat template uses an unknown filter: " + filter.group(1));
            }
        }
        Matcher loop = FILTERED_LOOP.matcher(parsed.outline());
        Matcher plainLoop = LOOP.matcher(parsed.outline());
        if (kind == '%' && loop.matches()) {
            emitFilteredLoop(parsed.text(), loop);
        } else if (kind == '%' && neighbours && plainLoop.matches()) {
            emitLoopOverItems(parsed.text(), plainLoop);
        } else {
            if (kind == '%' && code.equals("endfor")) {
                openLoops.poll();
            }
            out.append('{').append(kind).append(' ').append(parsed.text()).append(' ');
            out.append(kind == '{' ? '}' : kind).append('}');
        }
    }

    /** Keeps the items, for the loop's neighbours are looked up among them. */
    private void emitLoopOverItems(String code, Matcher loop) {
        String items = "loop_items_" + loops++;
        out.append("{% set ")
                .append(items)
                .append(" = (")
                .append(code, loop.start(2), loop.end(2))
                .append(")|list %}");
        out.append("{% for ")
                .append(code, loop.start(1), loop.end(1))
                .append(" in ")
                .append(items)
                .append(" %}");
        openLoops.push(items);
    }

    /** Collects the items that pass first, so that {@code loop} counts only these. */
    private void emitFilteredLoop(String code, Matcher loop) {
        String item = code.substring(loop.start(1), loop.end(1));
        String list = code.substring(loop.start(2), loop.end(2));
        String condition = code.substring(loop.start(3), loop.end(3));
        String kept = "kept_items_" + loops++;
        String element = item.contains(",") ? "[[" + item + "]]" : "[" + item + "]";
        out.append("{% set ").append(kept).append(" = namespace(items_=[]) %}");
        out.append("{% for ").append(item).append(" in ").append(list).append(" %}");
        out.append("{% if ").append(condition).append(" %}{% set ").append(kept).append(".items_ = ");
        out.append(kept).append(".items_ + ").append(element).append(" %}{% endif %}{% endfor %}");
        out.append("{% for ").append(item).append(" in ").append(kept).append(".items_ %}");
        openLoops.push(kept + ".items_");
    }

    /**
     * The inside of a tag.
     *
     * @param text with escapes in strings that the library does not know replaced by what they mean
     * @param outline as long as the text, with dots for strings and for the spaces in brackets
     */
    private record Code(String text, String outline) {
        static Code of(String code) {
            StringBuilder text = new StringBuilder();
            StringBuilder outline = new StringBuilder();
            int depth = 0;
            for (int i = 0; i < code.length(); i++) {
                char c = code.charAt(i);
                if (PythonSyntax.isQuote(c)) {
                    int end = Math.min(code.length() - 1, PythonSyntax.endOfString(code, i));
                    text.append(unescape(code.substring(i, end + 1)));
                    i = end;
                } else {
                    // Two closing braces would close the tag for the library.
                    text.append(c == '}' && !text.isEmpty() && text.charAt(text.length() - 1) == '}' ? " }" : c);
                    depth += "([{".indexOf(c) >= 0 ? 1 : 0;
                    depth -= ")]}".indexOf(c) >= 0 ? 1 : 0;
                }
                // Filters are looked for in brackets, too; the words of a loop are not.
                boolean blank = PythonSyntax.isQuote(c) || (depth > 0 && Character.isWhitespace(c));
                outline.append(blank ? '.' : c).append(".".repeat(text.length() - outline.length()));
            }
            return new Code(text.toString(), outline.toString());
        }

        private static String unescape(String string) {
            return ESCAPE.matcher(string).replaceAll(match -> {
                String hex = match.group(1) == null ? match.group(2) : match.group(1);
                return Matcher.quoteReplacement(
                        hex == null ? match.group() : Character.toString(Integer.parseInt(hex, 16)));
            });
        }
    }
}
