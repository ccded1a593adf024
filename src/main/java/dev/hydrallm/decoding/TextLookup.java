package dev.hydrallm.decoding;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * What followed where the end of a text stood in it before (prompt lookup decoding, Saxena 2023): a text that repeats itself, quotes its
 * prompt or changes little of it foretells its own next tokens. Where the end stood last counts, and goes on to count while the text goes
 * on as it did there.
 */
final class TextLookup {
    /** A place that stood before is told by this many tokens; any more that are the same there make it surer. */
    private static final int LEAST_MATCHED = 2;

    private static final int NOWHERE = -1;

    private int[] tokens = new int[256];
    private int length;

    /** By a pair of tokens: where the one stands that followed it last. */
    private final Map<Long, Integer> followers = new HashMap<>();

    /** Where the token stands that is foretold. */
    private int follower = NOWHERE;

    private int matched;

    /** Adds a token to the text's end. */
    void add(int token) {
        boolean goesOn = follower != NOWHERE && tokens[follower] == token;
        if (length == tokens.length) {
            tokens = Arrays.copyOf(tokens, 2 * length);
        }
        tokens[length++] = token;
        if (length < LEAST_MATCHED) {
            return;
        }
        long pair = ((long) tokens[length - 2] << Integer.SIZE) | Integer.toUnsignedLong(token);
        Integer before = followers.put(pair, length);
        if (goesOn) {
            follower++;
            matched = Math.min(matched + 1, RepetitionRates.MOST_MATCHED);
        } else {
            follower = before == null ? NOWHERE : before;
            matched = before == null ? 0 : sameBefore(before);
        }
    }

    /** How many tokens before a place are those at the text's end. */
    private int sameBefore(int place) {
        int same = LEAST_MATCHED;
        while (same < Math.min(place, RepetitionRates.MOST_MATCHED)
                && tokens[place - 1 - same] == tokens[length - 1 - same]) {
            same++;
        }
        return same;
    }

    /** How many tokens at the text's end stood before what it foretells, at most {@value RepetitionRates#MOST_MATCHED}; 0: it foretells nothing. */
    int matched() {
        return matched;
    }

    /** Whether a token is the foretold one. */
    boolean foretells(int token) {
        return tokens[follower] == token;
    }

    /** The next tokens, if the text goes on as it did; it foretells some. */
    int[] next(int count) {
        int[] next = new int[count];
        for (int i = 0; i < count; i++) {
            int place = follower + i;
            // Behind the text's end stands what is foretold: a period that is shorter than the draft.
            next[i] = place < length ? tokens[place] : next[place - length];
        }
        return next;
    }
}
