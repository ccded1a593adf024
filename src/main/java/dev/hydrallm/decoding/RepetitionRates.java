package dev.hydrallm.decoding;

import java.util.Arrays;

/** How often texts go on as they did before, by how many tokens had been the same until then: running means. */
final class RepetitionRates {
    /** From so many on it makes no difference. */
    static final int MOST_MATCHED = 16;

    private static final int ASSUMED_WEIGHT = 4;
    private static final int WINDOW = 256;

    private final double[] rates = new double[MOST_MATCHED + 1];
    private final int[] weights = new int[MOST_MATCHED + 1];

    /** Of texts that nobody has seen yet: after 2 the same tokens every other goes on, after 16 nine of ten. */
    RepetitionRates() {
        Arrays.setAll(rates, matched -> matched / (matched + 2.0));
        Arrays.fill(weights, ASSUMED_WEIGHT);
    }

    /** The share of texts that went on for one token more. */
    double rate(int matched) {
        return rates[Math.min(matched, MOST_MATCHED)];
    }

    /** Learns from a token. */
    void observe(int matched, boolean wentOn) {
        weights[matched] = Math.min(WINDOW, weights[matched] + 1);
        rates[matched] += ((wentOn ? 1.0 : 0.0) - rates[matched]) / weights[matched];
    }
}
