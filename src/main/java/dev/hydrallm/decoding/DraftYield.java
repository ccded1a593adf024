package dev.hydrallm.decoding;

import java.util.Arrays;

/**
 * What steps bring and what their forward costs, by the number of heads that are asked: running means over steps, of which the latest weigh
 * most.
 */
final class DraftYield {
    /** What is assumed of the first head before anything was seen; of each next one half as much. */
    private static final double ASSUMED = 0.5;

    private static final int ASSUMED_WEIGHT = 4;
    private static final int INHERITED_WEIGHT = 12;
    private static final int SEQUENCE_WINDOW = 24;
    private static final int LONG_WINDOW = 128;

    private final double[] tokens;
    private final double[] costs;
    private final int[] weights;
    private final int window;

    private DraftYield(double[] tokens, double[] costs, int[] weights, int window) {
        this.tokens = tokens;
        this.costs = costs;
        this.weights = weights;
        this.window = window;
    }

    /** Of texts that nobody has seen yet. */
    static DraftYield assumed(int heads) {
        double[] tokens = new double[heads + 1];
        double[] costs = new double[heads + 1];
        int[] weights = new int[heads + 1];
        for (int count = 0; count <= heads; count++) {
            tokens[count] = (1 - Math.pow(ASSUMED, count + 1)) / (1 - ASSUMED);
            costs[count] = 1;
            weights[count] = ASSUMED_WEIGHT;
        }
        return new DraftYield(tokens, costs, weights, LONG_WINDOW);
    }

    /** Of a new sequence, which starts from what is known of its kind. */
    DraftYield ofSequence() {
        DraftYield own = new DraftYield(tokens.clone(), costs.clone(), weights.clone(), SEQUENCE_WINDOW);
        own.weighAtMost(INHERITED_WEIGHT);
        return own;
    }

    /** Tokens of a step that asks so many heads, the base's own included. */
    double tokens(int heads) {
        return tokens[heads];
    }

    /** The forward of such a step, 1: a plain one's. */
    double cost(int heads) {
        return costs[heads];
    }

    /** Forgets a little of what a sequence showed, in favour of what is usual: it was a part of the text. */
    void forget(DraftYield usual) {
        for (int count = 0; count < tokens.length; count++) {
            tokens[count] += (usual.tokens[count] - tokens[count]) / window;
            costs[count] += (usual.costs[count] - costs[count]) / window;
        }
    }

    /** Lets what comes next weigh more: the text may have changed. */
    void doubt() {
        weighAtMost(ASSUMED_WEIGHT);
    }

    private void weighAtMost(int most) {
        Arrays.setAll(weights, count -> Math.min(weights[count], most));
    }

    /** Learns from a step what it was expected to bring, and to cost, with so many heads. */
    void observe(int heads, double expectedTokens, double cost) {
        int weight = Math.min(window, weights[heads] + 1);
        weights[heads] = weight;
        tokens[heads] += (expectedTokens - tokens[heads]) / weight;
        costs[heads] += (cost - costs[heads]) / weight;
    }
}
