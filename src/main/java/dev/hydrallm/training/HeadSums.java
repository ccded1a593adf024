package dev.hydrallm.training;

/**
 * How one head did on some tokens.
 *
 * @param labels tokens it was asked for
 * @param loss sum of its cross-entropies, nats
 * @param hits by rank r from 0 to {@link #RANKS} - 1: how often the token was its r-th best guess
 */
public record HeadSums(long labels, double loss, long[] hits) {
    public static final int RANKS = 10;

    public HeadSums plus(HeadSums other) {
        long[] sums = new long[RANKS];
        for (int rank = 0; rank < RANKS; rank++) {
            sums[rank] = hits[rank] + other.hits[rank];
        }
        return new HeadSums(labels + other.labels, loss + other.loss, sums);
    }

    /** Mean cross-entropy, nats; 0 of no tokens. */
    public double meanLoss() {
        return labels == 0 ? 0 : loss / labels;
    }

    /** Share of the tokens that were among the head's best {@code ranks} guesses; 0 of no tokens. */
    public double top(int ranks) {
        long sum = 0;
        for (int rank = 0; rank < ranks; rank++) {
            sum += hits[rank];
        }
        return labels == 0 ? 0 : (double) sum / labels;
    }
}
