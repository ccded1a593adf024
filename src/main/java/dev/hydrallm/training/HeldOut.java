package dev.hydrallm.training;

import java.util.List;
import java.util.stream.IntStream;

/**
 * Samples that heads do not learn from.
 *
 * @param batchSize samples that pass through the model at once
 */
record HeldOut(Samples samples, int batchSize) {
    /** How heads do on all of them, by head. */
    List<HeadSums> measure(Learner learner) {
        List<HeadSums> sums = List.of();
        for (int from = 0; from < samples.count(); from += batchSize) {
            List<Sample> batch = IntStream.range(from, Math.min(samples.count(), from + batchSize))
                    .mapToObj(samples::get)
                    .toList();
            try (Learner.States states = learner.read(batch)) {
                List<HeadSums> more = learner.measure(batch, states);
                sums = sums.isEmpty() ? more : Window.sum(sums, more);
            }
        }
        return sums;
    }
}
