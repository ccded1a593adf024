package dev.hydrallm.evaluation;

import java.util.Arrays;
import java.util.List;

/**
 * How often ranked guesses were right.
 *
 * @param asked how many tokens were guessed
 * @param hits by rank: how often the token was the guess of that rank, (ranks)
 */
public record RankHits(long asked, List<Long> hits) {
    /** The normal distribution's quantile of 97.5 %. */
    private static final double Z = 1.959963984540054;

    /** Bounds of a share, 0 to 1. */
    public record Interval(double low, double high) {}

    public RankHits {
        hits = List.copyOf(hits);
    }

    /** How often the token was among the best {@code ranks} guesses. */
    public long within(int ranks) {
        return hits.subList(0, ranks).stream().mapToLong(Long::longValue).sum();
    }

    /** Share of the tokens that were among the best {@code ranks} guesses, 0 to 1; 0 of no tokens. */
    public double top(int ranks) {
        return asked == 0 ? 0 : (double) within(ranks) / asked;
    }

    /**
     * The 95 % interval of {@link #top} by Wilson's score (1927), which takes the tokens for independent of each other; neighbours in a
     * text are not quite, so that it is a little too narrow. Of no tokens all is possible.
     */
    public Interval interval(int ranks) {
        if (asked == 0) {
            return new Interval(0, 1);
        }
        double share = top(ranks);
        double scale = 1 + Z * Z / asked;
        double middle = (share + Z * Z / (2 * asked)) / scale;
        double half = Z / scale * Math.sqrt(share * (1 - share) / asked + Z * Z / (4.0 * asked * asked));
        return new Interval(Math.max(0, middle - half), Math.min(1, middle + half));
    }

    /** Counts, one token after the other. */
    static final class Counter {
        private final long[] hits;
        private long asked;

        Counter(int ranks) {
            hits = new long[ranks];
        }

        /** Looks whether a token is among its guesses, and where. */
        void add(int token, int... guesses) {
            asked++;
            for (int rank = 0; rank < guesses.length; rank++) {
                if (guesses[rank] == token) {
                    hits[rank]++;
                    return;
                }
            }
        }

        RankHits counted() {
            return new RankHits(asked, Arrays.stream(hits).boxed().toList());
        }
    }
}
