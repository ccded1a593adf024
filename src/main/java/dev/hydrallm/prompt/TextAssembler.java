package dev.hydrallm.prompt;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Makes a growing text of token ids as they come: whole characters only, and never a part of a stop string that may yet be
 * completed. What it gives, joined, is the decoded text up to the first stop string. One sequence's own; not thread-safe.
 */
public final class TextAssembler {
    /** Whether a stop string ended the text. */
    public enum End {
        OPEN,
        STOPPED
    }

    /** More text, perhaps none. */
    public record Piece(String text, End end) {}

    private static final char REPLACEMENT = '\uFFFD';

    /** A character has at most four bytes, so of an unfinished one at most three tokens are there. */
    private static final int UNFINISHED_TOKENS = 3;

    private static final int MOST_HELD_TOKENS = 16;

    private final Tokenizer tokenizer;
    private final List<String> stops;

    /** The tokens from the last ones whose text is given on; decoders look at a token's neighbour before it. */
    private int[] window = {};
    /** How many of the window's tokens have had their text taken. */
    private int taken;
    /** The text of these. */
    private String takenText = "";
    /** Text that may be the beginning of a stop string. */
    private String held = "";

    private boolean stopped;

    /** An assembler that ends the text before any of {@code stops}, none of them empty. */
    public TextAssembler(Tokenizer tokenizer, List<String> stops) {
        this.tokenizer = tokenizer;
        this.stops = List.copyOf(stops);
    }

    /** Adds a token. After a stop nothing more comes. */
    public Piece push(int token) {
        if (stopped) {
            return new Piece("", End.STOPPED);
        }
        window = Arrays.copyOf(window, window.length + 1);
        window[window.length - 1] = token;
        String text = tokenizer.decode(window);
        boolean wholeCharacters = text.isEmpty() || text.charAt(text.length() - 1) != REPLACEMENT;
        if (wholeCharacters) {
            return scan(take(text, window.length));
        }
        if (window.length - taken > MOST_HELD_TOKENS) {
            // So many bytes are no character: let go of all that cannot belong to one any more.
            int sure = window.length - UNFINISHED_TOKENS;
            return scan(take(tokenizer.decode(Arrays.copyOf(window, sure)), sure));
        }
        return new Piece("", End.OPEN);
    }

    /** The rest: an unfinished character as U+FFFD, and what was no stop string after all. */
    public Piece finish() {
        if (stopped) {
            return new Piece("", End.STOPPED);
        }
        Piece last = scan(take(tokenizer.decode(window), window.length));
        String rest = held;
        held = "";
        return last.end() == End.STOPPED ? last : new Piece(last.text() + rest, End.OPEN);
    }

    /** The new part of the text of the window's first tokens, which then count as taken. */
    private String take(String text, int tokens) {
        // Some decoders spoil the bytes of a whole run for one that is wrong: then the new tokens speak for themselves.
        String fresh = text.startsWith(takenText)
                ? text.substring(takenText.length())
                : tokenizer.decode(Arrays.copyOfRange(window, taken, tokens));
        // The tokens just taken stay as the neighbours of the next.
        window = Arrays.copyOfRange(window, taken, window.length);
        taken = tokens - taken;
        takenText = tokenizer.decode(Arrays.copyOf(window, taken));
        return fresh;
    }

    private Piece scan(String fresh) {
        String text = held + fresh;
        Optional<Stop> first = stops.stream()
                .map(stop -> new Stop(text.indexOf(stop), stop.length()))
                .filter(stop -> stop.at() >= 0)
                .min(Comparator.comparingInt(Stop::end).thenComparingInt(Stop::at));
        if (first.isPresent()) {
            stopped = true;
            held = "";
            return new Piece(text.substring(0, first.get().at()), End.STOPPED);
        }
        int hold = longestBeginningOfAStop(text);
        held = text.substring(text.length() - hold);
        return new Piece(text.substring(0, text.length() - hold), End.OPEN);
    }

    /** A stop string found; the one complete first counts, so that where tokens end does not matter. */
    private record Stop(int at, int length) {
        int end() {
            return at + length;
        }
    }

    /** Tokens it keeps to decode the next one with. */
    int keptTokens() {
        return window.length;
    }

    /** How many characters at the end of a text could be the beginning of a stop string. */
    private int longestBeginningOfAStop(String text) {
        int longest = 0;
        for (String stop : stops) {
            for (int length = Math.min(stop.length() - 1, text.length()); length > longest; length--) {
                if (text.regionMatches(text.length() - length, stop, 0, length)) {
                    longest = length;
                }
            }
        }
        return longest;
    }
}
