package dev.hydrallm.training;

import java.util.List;
import java.util.stream.IntStream;

/** How heads' losses add up to one. */
final class HeadLosses {
    private final TrainingOptions options;
    private final int heads;

    HeadLosses(TrainingOptions options, int heads) {
        this.options = options;
        this.heads = heads;
    }

    /** By head, its weight ÷ its labels in all batches of a step, so that the step's gradient is that of {@link #sum}. */
    double[] weights(List<List<Sample>> batches) {
        double[] weights = new double[heads];
        for (int k = 0; k < heads; k++) {
            int head = k;
            long labels = batches.stream()
                    .flatMap(List::stream)
                    .mapToLong(sample -> sample.labels(head))
                    .sum();
            weights[k] = labels == 0 ? 0 : options.weight(k) / labels;
        }
        return weights;
    }

    /** Σ over heads of weight · mean loss. */
    double sum(List<HeadSums> sums) {
        return IntStream.range(0, sums.size())
                .mapToDouble(k -> options.weight(k) * sums.get(k).meanLoss())
                .sum();
    }
}
