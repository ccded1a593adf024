package dev.hydrallm.decoding;

import java.util.Arrays;
import java.util.function.IntToDoubleFunction;

/** How often something happens, by its kind: running means over the latest observations, which begin with an assumption. */
final class Rates {
    /** Observations that an assumption counts for. */
    private static final int ASSUMED_WEIGHT = 4;

    private final double[] rates;
    private final int[] weights;
    private final int window;

    /**
     * Rates of what nobody has seen yet.
     *
     * @param window how many observations count, about
     */
    Rates(int kinds, IntToDoubleFunction assumed, int window) {
        rates = new double[kinds];
        weights = new int[kinds];
        this.window = window;
        Arrays.setAll(rates, assumed);
        Arrays.fill(weights, ASSUMED_WEIGHT);
    }

    /** The share of a kind that happened. */
    double rate(int kind) {
        return rates[kind];
    }

    /** Learns from one of a kind. */
    void observe(int kind, boolean happened) {
        weights[kind] = Math.min(window, weights[kind] + 1);
        rates[kind] += ((happened ? 1.0 : 0.0) - rates[kind]) / weights[kind];
    }
}
