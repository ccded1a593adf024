package dev.hydrallm.evaluation;

import java.util.Arrays;

/**
 * Repeated measurements of one thing.
 *
 * @param deviation sample standard deviation; 0 for one measurement
 * @param median of an even number of measurements the mean of the two in the middle
 */
public record Summary(double mean, double deviation, double median, double least) {

    /** Sums up at least one measurement. */
    public static Summary of(double... measurements) {
        double[] sorted = measurements.clone();
        Arrays.sort(sorted);
        double mean = Arrays.stream(sorted).average().orElseThrow();
        double squares = Arrays.stream(sorted)
                .map(value -> (value - mean) * (value - mean))
                .sum();
        double deviation = sorted.length < 2 ? 0 : Math.sqrt(squares / (sorted.length - 1));
        return new Summary(
                mean, deviation, (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2, sorted[0]);
    }
}
