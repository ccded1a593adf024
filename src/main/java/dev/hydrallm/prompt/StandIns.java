package dev.hydrallm.prompt;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.stream.Collectors;

/**
 * Private-use characters in the place of special tokens that a user typed, while a template is rendered: so the special tokens in
 * the text are the template's. One conversation's; not thread-safe.
 */
final class StandIns {
    private static final int FIRST = 0xF0000;
    private static final int MOST = 0xFFFE;

    private final Tokenizer tokenizer;
    private final Map<Integer, String> texts = new TreeMap<>();

    StandIns(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** The messages with stand-ins; as they are where nothing in them is special. */
    List<Message> disarm(List<Message> messages) {
        if (messages.stream().noneMatch(message -> tokenizer.holdsSpecialTokens(message.content()))) {
            return messages;
        }
        return messages.stream()
                .map(message -> new Message(message.role(), disarm(message.content())))
                .toList();
    }

    /** Replaces special tokens, and characters that look like our replacements, by stand-ins. */
    private String disarm(String content) {
        String safe = content.codePoints()
                .mapToObj(point -> point >= FIRST && point < FIRST + MOST
                        ? standIn(Character.toString(point))
                        : Character.toString(point))
                .collect(Collectors.joining());
        return tokenizer.specialTokensIn(safe).replaceAll(match -> Matcher.quoteReplacement(standIn(match.group())));
    }

    private String standIn(String text) {
        if (texts.size() == MOST) {
            throw new IllegalArgumentException("the messages hold more than " + MOST + " special tokens");
        }
        int point = FIRST + texts.size();
        texts.put(point, text);
        return Character.toString(point);
    }

    /** Whether nothing had to be replaced. */
    boolean isEmpty() {
        return texts.isEmpty();
    }

    /** A text with what the stand-ins stand for. */
    String restore(String text) {
        return texts.isEmpty()
                ? text
                : text.codePoints()
                        .mapToObj(point -> texts.getOrDefault(point, Character.toString(point)))
                        .collect(Collectors.joining());
    }
}
