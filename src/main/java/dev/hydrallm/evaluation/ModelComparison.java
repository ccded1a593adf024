package dev.hydrallm.evaluation;

import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * How far one model's expectations are from another's over the same text.
 *
 * @param divergence KL(first ‖ second) of what they expect next, nats
 * @param agreement share of tokens before which both hold the same token for the likeliest, 0 to 1
 */
public record ModelComparison(Perplexity first, Perplexity second, Divergence divergence, double agreement) {

    /** Kullback-Leibler divergences over all scored tokens; {@code percentile99} is above 99 % of them. */
    public record Divergence(double mean, double median, double percentile99, double maximum) {

        /** Sums up at least one divergence. */
        static Divergence of(double... divergences) {
            double[] sorted = divergences.clone();
            Arrays.sort(sorted);
            return new Divergence(
                    Arrays.stream(sorted).average().orElseThrow(),
                    quantile(sorted, 0.5),
                    quantile(sorted, 0.99),
                    sorted[sorted.length - 1]);
        }

        /** The least value that is not below a share of all. */
        private static double quantile(double[] sorted, double share) {
            return sorted[Math.max(0, (int) Math.ceil(share * sorted.length) - 1)];
        }
    }

    /**
     * Lets both models read a text in the same windows.
     *
     * @param done told how many tokens are compared so far, out of all but the first
     * @throws IllegalArgumentException if the text has fewer than 2 tokens
     */
    public static ModelComparison of(
            Scorer first, Scorer second, int[] text, SlidingWindows windows, IntConsumer done) {
        TextReading reading = new TextReading(text, windows, first, second);
        Perplexity.Sum firstSum = new Perplexity.Sum();
        Perplexity.Sum secondSum = new Perplexity.Sum();
        double[] divergences = new double[text.length - 1];
        int[] agreements = {0};
        reading.forEach(
                (token, logProbabilities) -> {
                    double[] p = logProbabilities[0];
                    double[] q = logProbabilities[1];
                    divergences[firstSum.tokens()] = divergence(p, q);
                    agreements[0] += likeliest(p) == likeliest(q) ? 1 : 0;
                    firstSum.add(p[token]);
                    secondSum.add(q[token]);
                },
                done);
        return new ModelComparison(
                firstSum.perplexity(),
                secondSum.perplexity(),
                Divergence.of(divergences),
                (double) agreements[0] / divergences.length);
    }

    /**
     * KL(P ‖ Q) = Σ p (ln p - ln q), nats.
     *
     * @param p logarithms of P's probabilities
     * @param q logarithms of Q's, as many
     */
    static double divergence(double[] p, double[] q) {
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            // What P rules out adds nothing, whatever Q says; 0 times infinity would be no number.
            if (p[i] > Double.NEGATIVE_INFINITY) {
                sum += Math.exp(p[i]) * (p[i] - q[i]);
            }
        }
        // Of two distributions that are all but equal rounding may leave less than nothing.
        return Math.max(0, sum);
    }

    private static int likeliest(double[] logProbabilities) {
        int best = 0;
        for (int i = 1; i < logProbabilities.length; i++) {
            best = logProbabilities[i] > logProbabilities[best] ? i : best;
        }
        return best;
    }
}
