package dev.hydrallm.decoding;

/** How often texts go on as they did before, by how many tokens had been the same until then. */
final class RepetitionRates {
    /** From so many on it makes no difference. */
    static final int MOST_MATCHED = 16;

    private static final int WINDOW = 256;

    /** At first: after 2 the same tokens every other goes on, after 16 nine of ten. */
    private final Rates rates = new Rates(MOST_MATCHED + 1, matched -> matched / (matched + 2.0), WINDOW);

    /** The share of texts that went on for one token more. */
    double rate(int matched) {
        return rates.rate(Math.min(matched, MOST_MATCHED));
    }

    /** Learns from a token. */
    void observe(int matched, boolean wentOn) {
        rates.observe(matched, wentOn);
    }
}
