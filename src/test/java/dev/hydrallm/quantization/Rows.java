package dev.hydrallm.quantization;

import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;

/** Rows of two groups of 32 weights, or of one block of 64. */
final class Rows {
    static final int COLUMNS = 64;

    private Rows() {}

    /** Weights as models have them, rows with an outlier, rows of few values, and any bits within half precision. */
    static Arbitrary<float[]> any() {
        Arbitrary<Float> usual = Arbitraries.integers().between(-1000, 1000).map(x -> x / 7000f);
        Arbitrary<Float> outliers = Arbitraries.frequencyOf(
                net.jqwik.api.Tuple.of(30, usual), net.jqwik.api.Tuple.of(1, Arbitraries.of(3f, -40f, 0f)));
        Arbitrary<Float> few = Arbitraries.of(-0.5f, 0f, 0.25f);
        Arbitrary<Float> bits =
                Arbitraries.integers().map(Float::intBitsToFloat).filter(x -> Math.abs(x) <= Int4.LARGEST_WEIGHT);
        return Arbitraries.oneOf(usual, outliers, few, bits)
                .array(float[].class)
                .ofSize(COLUMNS);
    }

    static float largest(float[] row, int from, int to) {
        float largest = 0;
        for (int i = from; i < to; i++) {
            largest = Math.max(largest, Math.abs(row[i]));
        }
        return largest;
    }

    static double squaredError(float[] row, float[] decoded) {
        double sum = 0;
        for (int i = 0; i < row.length; i++) {
            double difference = (double) row[i] - decoded[i];
            sum += difference * difference;
        }
        return sum;
    }
}
