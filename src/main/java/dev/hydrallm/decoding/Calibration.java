package dev.hydrallm.decoding;

import java.util.List;
import java.util.stream.Stream;

/**
 * How often a drafted node is accepted, by its depth and by how sure the heads are of it: the product of what each gives its token
 * on the node's path. Heads see no further than their own token, so the product is neither right nor far off; running means of
 * what was accepted among nodes of about the same confidence correct it.
 */
final class Calibration {
    /** Square roots of confidences are told apart by this much: finer where few are sure, for there most nodes are. */
    private static final int BUCKETS = 16;

    private static final int WINDOW = 512;

    /** By depth, from 1 on: of each bucket, at first as often as the heads are sure. */
    private final List<Rates> byDepth;

    /** Of nodes that nobody has seen yet. */
    Calibration(int depth) {
        byDepth = Stream.generate(() -> new Rates(BUCKETS, bucket -> Math.pow((bucket + 0.5) / BUCKETS, 2), WINDOW))
                .limit(depth)
                .toList();
    }

    private static int bucket(double confidence) {
        return Math.clamp((int) (BUCKETS * Math.sqrt(confidence)), 0, BUCKETS - 1);
    }

    /** The share of nodes of a depth, 1 at least, and a confidence, 0 to 1, that are accepted with all their ancestors. */
    double rate(int depth, double confidence) {
        return byDepth.get(depth - 1).rate(bucket(confidence));
    }

    /** Learns from a node that was drafted. */
    void observe(int depth, double confidence, boolean accepted) {
        byDepth.get(depth - 1).observe(bucket(confidence), accepted);
    }
}
