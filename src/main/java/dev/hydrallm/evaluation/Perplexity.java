package dev.hydrallm.evaluation;

import java.util.function.IntConsumer;

/**
 * How well a model foresaw a text.
 *
 * @param tokens that were scored
 * @param negativeLogLikelihood mean of -ln p of each of them, nats
 */
public record Perplexity(int tokens, double negativeLogLikelihood) {

    /**
     * Scores a text.
     *
     * @param done told how many tokens are scored so far, out of all but the first
     * @throws IllegalArgumentException if the text has fewer than 2 tokens
     */
    public static Perplexity of(Scorer scorer, int[] text, SlidingWindows windows, IntConsumer done) {
        Sum sum = new Sum();
        new TextReading(text, windows, scorer)
                .forEach((token, logProbabilities) -> sum.add(logProbabilities[0][token]), done);
        return sum.perplexity();
    }

    /** The number of tokens that the model was as unsure between: e to the mean negative log likelihood. */
    public double value() {
        return Math.exp(negativeLogLikelihood);
    }

    /** Of the tokens that it was given so far. */
    static final class Sum {
        private int tokens;
        private double logProbability;

        int tokens() {
            return tokens;
        }

        void add(double tokensLogProbability) {
            tokens++;
            logProbability += tokensLogProbability;
        }

        Perplexity perplexity() {
            return new Perplexity(tokens, -logProbability / tokens);
        }
    }
}
