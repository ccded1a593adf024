package dev.hydrallm.decoding;

import java.util.Arrays;

/**
 * How often a drafted node is accepted, by its depth and by how sure the heads are of it: the product of what each gives its token
 * on the node's path. Heads see no further than their own token, so the product is neither right nor far off; running means of
 * what was accepted among nodes of about the same confidence correct it.
 */
final class Calibration {
    /** Square roots of confidences are told apart by this much: finer where few are sure, for there most nodes are. */
    private static final int BUCKETS = 16;

    /** Observations that the assumption counts for, that a node is accepted as often as the heads are sure of it. */
    private static final int ASSUMED_WEIGHT = 4;

    private static final int WINDOW = 512;

    private final double[][] rates;
    private final int[][] weights;

    /** Of nodes that nobody has seen yet. */
    Calibration(int depth) {
        rates = new double[depth][BUCKETS];
        weights = new int[depth][BUCKETS];
        for (int d = 0; d < depth; d++) {
            Arrays.setAll(rates[d], bucket -> Math.pow((bucket + 0.5) / BUCKETS, 2));
            Arrays.fill(weights[d], ASSUMED_WEIGHT);
        }
    }

    private static int bucket(double confidence) {
        return Math.clamp((int) (BUCKETS * Math.sqrt(confidence)), 0, BUCKETS - 1);
    }

    /** The share of nodes of a depth, 1 at least, and a confidence, 0 to 1, that are accepted with all their ancestors. */
    double rate(int depth, double confidence) {
        return rates[depth - 1][bucket(confidence)];
    }

    /** Learns from a node that was drafted. */
    void observe(int depth, double confidence, boolean accepted) {
        int bucket = bucket(confidence);
        int weight = Math.min(WINDOW, weights[depth - 1][bucket] + 1);
        weights[depth - 1][bucket] = weight;
        rates[depth - 1][bucket] += ((accepted ? 1.0 : 0.0) - rates[depth - 1][bucket]) / weight;
    }
}
