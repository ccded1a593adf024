package dev.hydrallm.prompt;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Rewrites what the library reads otherwise of the expressions in a tag. Slices with steps ({@code x[::-1]}), {@code %}
 * after a literal ({@code '%d' % n}) and a loop's neighbours ({@code loop.previtem}) become calls of
 * {@link TemplateMethods}; what {@code not} and named arguments reach over is put in brackets, for the library ends it
 * earlier ({@code not x is none}, {@code f(n=x|length - 1)}).
 */
final class PythonSyntax {
    /** Brackets in brackets: the library's time to read them doubles with each. */
    private static final int DEEPEST = 16;

    /** Words that end what {@code not} reaches over. */
    private static final Set<String> CONNECTIVES = Set.of("and", "or", "if", "else");

    private static final String PREVIOUS = "loop.previtem";
    private static final String NEXT = "loop.nextitem";

    private final String code;
    private final Optional<String> loopItems;
    /** Of every opening bracket its closing one, 0 elsewhere. */
    private final int[] closing;
    /** The colons directly in the bracket that opens here. */
    private final List<List<Integer>> colons = new ArrayList<>();
    /** Where a named argument's sign is. */
    private final BitSet naming = new BitSet();

    private int depth;

    private PythonSyntax(String code, Optional<String> loopItems) {
        this.code = code;
        this.loopItems = loopItems;
        this.closing = new int[code.length()];
        matchBrackets();
    }

    /**
     * The code in the library's terms.
     *
     * @param loopItems the variable that holds the items of the loop around the code
     * @throws IllegalArgumentException if brackets are nested too deeply
     */
    static String rewrite(String code, Optional<String> loopItems) {
        return new PythonSyntax(code, loopItems).part(0, code.length());
    }

    /** Whether a template asks for a loop's neighbours. */
    static boolean asksForNeighbours(String template) {
        return template.contains(PREVIOUS) || template.contains(NEXT);
    }

    /** The index of a string's closing quote, or of the text's end. */
    static int endOfString(String text, int start) {
        int end = start + 1;
        while (end < text.length() && text.charAt(end) != text.charAt(start)) {
            end += text.charAt(end) == '\\' ? 2 : 1;
        }
        return end;
    }

    static boolean isQuote(char c) {
        return c == '\'' || c == '"';
    }

    private void matchBrackets() {
        Deque<Integer> open = new ArrayDeque<>();
        for (int i = 0; i < code.length(); i++) {
            char c = code.charAt(i);
            colons.add(List.of());
            if (isQuote(c)) {
                int end = Math.min(code.length() - 1, endOfString(code, i));
                for (; i < end; i++) {
                    colons.add(List.of());
                }
            } else if ("([{".indexOf(c) >= 0) {
                open.push(i);
                colons.set(i, new ArrayList<>());
                if (open.size() > DEEPEST) {
                    throw new IllegalArgumentException("the chat template nests more than " + DEEPEST + " brackets");
                }
            } else if (")]}".indexOf(c) >= 0 && !open.isEmpty()) {
                closing[open.pop()] = i;
            } else if (c == ':' && !open.isEmpty()) {
                colons.get(open.element()).add(i);
            } else if (c == '=' && !open.isEmpty() && code.charAt(open.element()) == '(') {
                boolean comparison = "=!<>".indexOf(code.charAt(i - 1)) >= 0 || code.startsWith("=", i + 1);
                naming.set(i, !comparison);
            }
        }
    }

    private String part(int from, int to) {
        if (++depth > 4 * DEEPEST) {
            throw new IllegalArgumentException("the chat template nests more than " + 4 * DEEPEST + " operators");
        }
        String rewritten = rewritten(from, to);
        depth--;
        return rewritten;
    }

    private String rewritten(int from, int to) {
        StringBuilder out = new StringBuilder();
        int at = from;
        while (at < to) {
            char c = code.charAt(at);
            int end = at + 1;
            if (isQuote(c)) {
                end = Math.min(to, endOfString(code, at) + 1);
                out.append(code, at, end);
                at = percent(end, to, out);
            } else if (c == '[' && colons.get(at).size() == 2 && closing[at] != 0 && follows(out)) {
                out.append(".").append(TemplateMethods.STEPPED).append(slice(at));
                at = closing[at] + 1;
            } else if (naming.get(at)) {
                int value = blanks(end, to);
                end = endOfReach(value, to, Set.of());
                out.append('=').append(bracketed(value, end));
                at = end;
            } else if (Character.isJavaIdentifierPart(c)) {
                end = endOfName(at, to);
                at = code.substring(at, end).equals("not") ? not(end, to, out) : name(at, end, to, out);
            } else {
                out.append(c);
                at = end;
            }
        }
        return out.toString();
    }

    /** Whether a bracket here would be an index of what stands before it. */
    private static boolean follows(StringBuilder before) {
        int last = before.length() - 1;
        return last >= 0
                && (Character.isJavaIdentifierPart(before.charAt(last)) || ")]'\"".indexOf(before.charAt(last)) >= 0);
    }

    private String slice(int open) {
        int first = colons.get(open).getFirst();
        int second = colons.get(open).getLast();
        return List.of(part(open + 1, first), part(first + 1, second), part(second + 1, closing[open])).stream()
                .map(bound -> bound.isBlank() ? "null" : bound)
                .collect(Collectors.joining(", ", "(", ")"));
    }

    /** What follows a string's end: a call where it is {@code %} with its operand. */
    private int percent(int end, int to, StringBuilder out) {
        int at = blanks(end, to);
        if (at >= to || code.charAt(at) != '%') {
            return end;
        }
        int operand = blanks(at + 1, to);
        int after = endOfOperand(operand, to);
        if (after == operand) {
            return end;
        }
        boolean tuple = code.charAt(operand) == '(' && closing[operand] == after - 1;
        out.append('.').append(TemplateMethods.FORMATTED).append('(');
        out.append(tuple ? part(operand + 1, after - 1) : part(operand, after)).append(')');
        return after;
    }

    /** {@code not} as an operator reaches to the next connective; in {@code is not} and {@code not in} it is none. */
    private int not(int end, int to, StringBuilder out) {
        boolean test = endsInIs(out);
        out.append("not");
        int operand = blanks(end, to);
        int after = endOfReach(operand, to, CONNECTIVES);
        if (test || code.substring(operand, endOfName(operand, to)).equals("in")) {
            return end;
        }
        out.append(' ').append(bracketed(operand, after));
        return after;
    }

    private static boolean endsInIs(StringBuilder out) {
        int end = out.length();
        while (end > 0 && Character.isWhitespace(out.charAt(end - 1))) {
            end--;
        }
        return end >= 3 && out.substring(end - 2, end).equals("is") && Character.isWhitespace(out.charAt(end - 3));
    }

    /** The part in brackets unless it is one operand; blanks at its end stay outside. */
    private String bracketed(int from, int to) {
        int end = to;
        while (end > from && Character.isWhitespace(code.charAt(end - 1))) {
            end--;
        }
        String part = part(from, end);
        return (endOfOperand(from, end) == end ? part : "(" + part + ")") + code.substring(end, to);
    }

    /** Where a comma, a bracket that was opened before or one of the words ends an expression. */
    private int endOfReach(int from, int to, Set<String> words) {
        int at = from;
        while (at < to) {
            char c = code.charAt(at);
            if (isQuote(c)) {
                at = Math.min(to, endOfString(code, at) + 1);
            } else if (closing[at] != 0) {
                at = closing[at] + 1;
            } else if (Character.isJavaIdentifierPart(c)) {
                int end = endOfName(at, to);
                if (words.contains(code.substring(at, end))) {
                    return at;
                }
                at = end;
            } else if (",)]}".indexOf(c) >= 0) {
                return at;
            } else {
                at++;
            }
        }
        return to;
    }

    private int blanks(int from, int to) {
        int at = from;
        while (at < to && Character.isWhitespace(code.charAt(at))) {
            at++;
        }
        return at;
    }

    /** A literal, name or bracket with its attributes, indices and calls. */
    private int endOfOperand(int from, int to) {
        int at = from;
        while (at < to) {
            char c = code.charAt(at);
            if (isQuote(c) && at == from) {
                at = Math.min(to, endOfString(code, at) + 1);
            } else if ((c == '(' || c == '[') && closing[at] != 0) {
                at = closing[at] + 1;
            } else if (Character.isJavaIdentifierPart(c) || c == '.') {
                at++;
            } else {
                break;
            }
        }
        return at;
    }

    private int endOfName(int from, int to) {
        int end = from;
        while (end < to && (Character.isJavaIdentifierPart(code.charAt(end)) || code.charAt(end) == '.')) {
            end++;
        }
        return end;
    }

    private int name(int at, int end, int to, StringBuilder out) {
        for (String neighbour : List.of(PREVIOUS, NEXT)) {
            int after = at + neighbour.length();
            boolean whole = after == end || (after < to && code.startsWith(neighbour + ".", at));
            if (loopItems.isPresent() && code.startsWith(neighbour, at) && whole) {
                out.append(loopItems.get()).append('.').append(TemplateMethods.ITEM);
                out.append(neighbour.equals(PREVIOUS) ? "(loop.index0 - 1)" : "(loop.index0 + 1)");
                return after;
            }
        }
        out.append(code, at, end);
        return end;
    }
}
