package dev.hydrallm.engine.torch;

import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Sample;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Where in a batch's rows, sample behind sample, each head has a token to foretell.
 *
 * @param rows of all samples
 * @param segments how many samples of one length follow each other, and that length
 * @param counts labelled tokens by head
 * @param indices rows of all heads' labels, head by head, then the tokens
 */
record LearningBatch(int rows, int[] segments, int[] counts, long[] indices) {
    private static final int SUMS = 1 + HeadSums.RANKS;

    static LearningBatch of(List<Sample> samples, int heads) {
        int[] counts = new int[heads];
        for (int head = 0; head < heads; head++) {
            for (Sample sample : samples) {
                counts[head] += sample.labels(head);
            }
        }
        int labels = Arrays.stream(counts).sum();
        long[] indices = new long[2 * labels];
        int at = 0;
        for (int head = 0; head < heads; head++) {
            int row = 0;
            for (Sample sample : samples) {
                int distance = 2 + head;
                for (int i = distance; i < sample.tokens().length; i++) {
                    if (sample.labelled()[i]) {
                        indices[at] = (long) row + i - distance;
                        indices[labels + at] = sample.tokens()[i];
                        at++;
                    }
                }
                row += sample.tokens().length;
            }
        }
        int rows = samples.stream().mapToInt(sample -> sample.tokens().length).sum();
        return new LearningBatch(rows, segments(samples), counts, indices);
    }

    /** The token behind each row; a sample's last one has none and stands for it itself, for no head is asked there. */
    static long[] next(List<Sample> samples) {
        return samples.stream()
                .flatMapToLong(sample -> IntStream.range(0, sample.tokens().length)
                        .mapToLong(i -> sample.tokens()[Math.min(i + 1, sample.tokens().length - 1)]))
                .toArray();
    }

    private static int[] segments(List<Sample> samples) {
        int[] segments = new int[2 * samples.size()];
        int end = 0;
        for (Sample sample : samples) {
            int length = sample.tokens().length;
            if (end > 0 && segments[end - 1] == length) {
                segments[end - 2]++;
            } else {
                segments[end++] = 1;
                segments[end++] = length;
            }
        }
        return Arrays.copyOf(segments, end);
    }

    int labels() {
        return indices.length / 2;
    }

    /** As the program takes it. */
    long[] control(Script.Gradients gradients, int chunk) {
        long[] control = new long[2 + counts.length + segments.length];
        control[0] = gradients == Script.Gradients.RECORDED ? 1 : 0;
        control[1] = chunk;
        for (int head = 0; head < counts.length; head++) {
            control[2 + head] = counts[head];
        }
        for (int i = 0; i < segments.length; i++) {
            control[2 + counts.length + i] = segments[i];
        }
        return control;
    }

    /**
     * What the program returned, head by head.
     *
     * @param all by head: cross-entropy, then hits by rank
     */
    List<HeadSums> sums(double[] all) {
        List<HeadSums> sums = new ArrayList<>(counts.length);
        for (int head = 0; head < counts.length; head++) {
            int at = head * SUMS;
            long[] hits = new long[HeadSums.RANKS];
            Arrays.setAll(hits, rank -> Math.round(all[at + 1 + rank]));
            sums.add(new HeadSums(counts[head], all[at], hits));
        }
        return sums;
    }

    /** What there is without a label. */
    List<HeadSums> noSums() {
        return sums(new double[counts.length * SUMS]);
    }
}
