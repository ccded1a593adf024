package dev.hydrallm.decoding;

import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * What the steps of a sequence that runs alone cost on one engine, ns.
 *
 * <p>All sizes share one scale: what makes a step slower, a longer context or a busy neighbour, makes steps of every size
 * slower, so what was measured of one size counts for those that did not run lately.
 */
final class StepCosts {
    private static final int PLAIN = 1;
    private static final int ENOUGH = 3;

    /** How much of what a step differs from the expected goes to all sizes. */
    private static final double SCALE_RATE = 0.15;
    /** How much goes to its own: for each step since that ran, for the longer ago the less is known. */
    private static final double SHARE_RATE = 0.05;

    private static final double MOST_SHARE_RATE = 0.5;
    /** A step that took longer or shorter than this factor of the expected counts as if it was this. */
    private static final double OUTLIER = 1.5;

    private final NavigableMap<Integer, Share> verify = new TreeMap<>();
    private final NavigableMap<Integer, Share> draft = new TreeMap<>();
    private double scale;
    private int steps;
    private int lastNodes;
    private boolean alone = true;
    private int stepsSincePlain;

    private static final class Share {
        double ofScale;
        int seen;
        int lastStep;
    }

    /** A forward of the base over so many nodes. The first after another size is not counted: caches are cold. */
    void verified(int nodes, long nanos) {
        alone = true;
        steps++;
        stepsSincePlain++;
        if (nodes == lastNodes) {
            add(verify.computeIfAbsent(nodes, ignored -> new Share()), nanos);
            stepsSincePlain = nodes == PLAIN ? 0 : stepsSincePlain;
        }
        lastNodes = nodes;
    }

    /** A step that several sequences shared: it tells nothing of what one costs. */
    void shared() {
        alone = false;
        lastNodes = 0;
    }

    /** Whether the last step was one sequence's alone, so that the next is likely to be measured too. */
    boolean alone() {
        return alone;
    }

    /** A commit with the draft layers' pass over the accepted path, and so many heads. */
    void drafted(int heads, long nanos) {
        add(draft.computeIfAbsent(heads, ignored -> new Share()), nanos);
    }

    private void add(Share share, long nanos) {
        if (scale == 0) {
            scale = Math.max(1, nanos);
        }
        int since = steps - share.lastStep;
        share.lastStep = steps;
        if (share.seen++ < ENOUGH) {
            // Of the first few the least: whatever else the process is still busy with makes them slower, never faster.
            double ofScale = Math.max(1, nanos) / scale;
            share.ofScale = share.seen == 1 ? ofScale : Math.min(share.ofScale, ofScale);
            return;
        }
        double surprise = Math.clamp(nanos / (scale * share.ofScale), 1 / OUTLIER, OUTLIER);
        scale *= Math.pow(surprise, SCALE_RATE);
        share.ofScale *= Math.pow(surprise, Math.min(MOST_SHARE_RATE, since * SHARE_RATE));
    }

    /** Nodes to try next, in steps that are measured, while too little is known to compare sizes; 0 when enough is. */
    int toTry(int nodes) {
        if (verify.isEmpty()
                || verify.lastKey() == PLAIN
                || draft.values().stream().noneMatch(share -> share.seen >= ENOUGH)) {
            return nodes;
        }
        Share plain = verify.get(PLAIN);
        return plain == null || plain.seen < ENOUGH ? PLAIN : 0;
    }

    /** Steps since one without drafts was measured. */
    int stepsSincePlain() {
        return stepsSincePlain;
    }

    /** A step of so many nodes, with the drafting by so many heads if there is any. */
    double of(int nodes, int heads) {
        return scale * (at(verify, nodes) + (nodes == PLAIN ? 0 : at(draft, heads)));
    }

    /** Between and beyond sizes that were seen: a line. Below the first: what that costs. */
    private static double at(NavigableMap<Integer, Share> seen, int size) {
        Map.Entry<Integer, Share> below = seen.floorEntry(size);
        if (below == null) {
            return seen.firstEntry().getValue().ofScale;
        }
        if (below.getKey() == size || seen.size() == 1) {
            return below.getValue().ofScale;
        }
        Map.Entry<Integer, Share> above = seen.higherEntry(size);
        Map.Entry<Integer, Share> from = above == null ? seen.firstEntry() : below;
        Map.Entry<Integer, Share> to = above == null ? below : above;
        double start = from.getValue().ofScale;
        // Noise of two measurements must not make the sizes between and beyond them cheaper than the smaller one.
        double slope = Math.max(0, to.getValue().ofScale - start) / (to.getKey() - from.getKey());
        return start + slope * (size - from.getKey());
    }
}
