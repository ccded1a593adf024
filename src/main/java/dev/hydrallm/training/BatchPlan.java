package dev.hydrallm.training;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Which samples each optimizer step learns from, as a function of the step's number alone. In every epoch each sample comes once, in an
 * order of the epoch's own; samples of a batch are of about the same length, because a batch takes as long as its longest.
 *
 * <p>Not thread-safe.
 */
final class BatchPlan {
    /** Batches whose samples are sorted by length together: more make lengths more alike, and the order less random. */
    private static final int SORTED_TOGETHER = 32;

    private final int[] lengths;
    private final int batchSize;
    private final int accumulation;
    private final long seed;
    private long epoch = -1;
    private List<int[]> batches = List.of();

    BatchPlan(int[] lengths, int batchSize, int accumulation, long seed) {
        this.lengths = lengths;
        this.batchSize = batchSize;
        this.accumulation = accumulation;
        this.seed = seed;
    }

    static BatchPlan of(Samples samples, TrainingOptions options) {
        int[] lengths = new int[samples.count()];
        Arrays.setAll(lengths, samples::length);
        return new BatchPlan(lengths, options.batchSize(), options.accumulation(), options.seed());
    }

    /** Optimizer steps of an epoch; the last may have fewer batches than the others. */
    long stepsPerEpoch() {
        return Math.ceilDiv(Math.ceilDiv(lengths.length, batchSize), accumulation);
    }

    /**
     * The samples of a step, by batch.
     *
     * @param number of the step from 1
     */
    List<int[]> step(long number) {
        long wanted = (number - 1) / stepsPerEpoch();
        if (wanted != epoch) {
            batches = batches(wanted);
            epoch = wanted;
        }
        int first = (int) ((number - 1) % stepsPerEpoch()) * accumulation;
        return batches.subList(first, Math.min(batches.size(), first + accumulation));
    }

    /** How many epochs are gone when a step is done. */
    double epochs(long step) {
        return (double) step / stepsPerEpoch();
    }

    private List<int[]> batches(long of) {
        SplittableRandom random = new SplittableRandom(seed * 0x9e3779b97f4a7c15L + of);
        Integer[] order = new Integer[lengths.length];
        Arrays.setAll(order, i -> i);
        shuffle(order, random);
        int window = batchSize * SORTED_TOGETHER;
        for (int from = 0; from < order.length; from += window) {
            Arrays.sort(
                    order,
                    from,
                    Math.min(order.length, from + window),
                    Comparator.comparingInt((Integer sample) -> lengths[sample]).reversed());
        }
        List<int[]> cut = new ArrayList<>();
        for (int from = 0; from < order.length; from += batchSize) {
            int[] batch = new int[Math.min(batchSize, order.length - from)];
            for (int i = 0; i < batch.length; i++) {
                batch[i] = order[from + i];
            }
            cut.add(batch);
        }
        int[][] shuffled = cut.toArray(int[][]::new);
        shuffle(shuffled, random);
        return List.of(shuffled);
    }

    /** Every order is as likely (Fisher and Yates). */
    private static <T> void shuffle(T[] items, SplittableRandom random) {
        for (int i = items.length - 1; i > 0; i--) {
            int other = random.nextInt(i + 1);
            T item = items[i];
            items[i] = items[other];
            items[other] = item;
        }
    }
}
