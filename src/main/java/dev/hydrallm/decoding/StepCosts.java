package dev.hydrallm.decoding;

/**
 * What the steps of a sequence that runs alone cost on one engine, ns: a forward by its nodes among steps whose heads draft nothing, and a forward by
 * its nodes and drafting by its heads where heads draft at every step. All are taken for lines, so what was measured of some sizes tells of
 * all. A forward over the root alone is dearer behind drafts than a plain step: what drafts left the caches to the weights of its own.
 *
 * <p>All share one scale: what makes a step slower, a longer context or a busy neighbour, makes steps of every size slower, so what was
 * measured of one size counts for those that did not run lately.
 */
final class StepCosts {
    private static final int PLAIN = 1;
    private static final int ENOUGH = 4;

    /** How much of what a step differs from the expected goes to all sizes. */
    private static final double SCALE_RATE = 0.15;
    /** What a measurement counts after each step that followed it. */
    private static final double KEPT = 0.99;
    /** A step that took longer or shorter than this factor of the expected counts as if it was this. */
    private static final double OUTLIER = 1.5;

    /** How long the cost of a plain step is believed without running some in a row, and how many of them. */
    private static final int STEPS_BETWEEN_PLAIN = 512;

    private static final int PLAIN_RUN = 5;

    /** Plain steps behind drafts, and steps with drafts behind plain ones, that are not counted. */
    private static final int UNSETTLED_PLAIN = 2;

    private static final int UNSETTLED_DRAFTED = 4;

    /** What a node is assumed to cost, of a plain step, where sizes were not measured that differ enough. */
    private static final double ASSUMED_NODE = 0.1;

    /** And a head. */
    private static final double ASSUMED_HEAD = 0.05;

    private final Measured undrafted = new Measured(ASSUMED_NODE);
    private final Measured verify = new Measured(ASSUMED_NODE);
    private final Measured draft = new Measured(ASSUMED_HEAD);
    private double scale;
    private int steps;
    private int undraftedInARow;
    private int draftedInARow;
    /** Whether the last step asked heads, for the next one. */
    private boolean drafted;

    private int lastPlainRun;
    private boolean alone = true;

    private static final class Measured {
        final Line ofScale;
        int lastStep;

        Measured(double slope) {
            ofScale = new Line(slope);
        }
    }

    /** A kind of step that was not measured often enough. */
    enum Unknown {
        NOTHING,
        PLAIN,
        DRAFTED
    }

    /**
     * A forward of the base over so many nodes. The first ones without drafting in a row, and the first behind drafts, are not counted: the
     * others left the caches as they need them.
     */
    void verified(int nodes, long nanos) {
        alone = true;
        steps++;
        undraftedInARow = drafted ? 0 : undraftedInARow + 1;
        if (!drafted && nodes == PLAIN) {
            draftedInARow = 0; // what the text foretells now and then is part of how drafting goes
        }
        if (drafted && draftedInARow > UNSETTLED_DRAFTED) {
            add(verify, nodes, nanos);
        } else if (undraftedInARow > UNSETTLED_PLAIN) {
            add(undrafted, nodes, nanos);
        }
        drafted = false;
        if (undraftedInARow >= PLAIN_RUN && nodes == PLAIN) {
            lastPlainRun = steps;
        }
    }

    /** A step that several sequences shared: it tells nothing of what one costs. */
    void shared() {
        alone = false;
        drafted = false;
        undraftedInARow = 0;
        draftedInARow = 0;
    }

    /** Whether the last step was one sequence's alone, so that the next is likely to be measured too. */
    boolean alone() {
        return alone;
    }

    /** A commit with the draft layers' pass over the accepted path, and so many heads. */
    void drafted(int heads, long nanos) {
        drafted = true;
        draftedInARow++;
        if (draftedInARow > UNSETTLED_DRAFTED) {
            add(draft, heads, nanos);
        }
    }

    /** A commit whose draft layers read rows of former steps, too: it tells nothing of what drafting costs. */
    void draftedLate() {
        drafted = true;
    }

    private void add(Measured kind, int size, long nanos) {
        double measured = Math.max(1, nanos);
        if (scale == 0) {
            scale = measured;
        }
        if (kind.ofScale.seen() >= ENOUGH) {
            double expected = scale * kind.ofScale.at(size);
            double surprise = Math.clamp(measured / expected, 1 / OUTLIER, OUTLIER);
            measured = expected * surprise;
            scale *= Math.pow(surprise, SCALE_RATE);
        }
        kind.ofScale.add(size, measured / scale, Math.pow(KEPT, steps - kind.lastStep));
        kind.lastStep = steps;
    }

    /** What has to be measured before sizes can be compared. */
    Unknown unknown() {
        if (verify.ofScale.seen() < ENOUGH || draft.ofScale.seen() < ENOUGH) {
            return Unknown.DRAFTED;
        }
        return knowsUndrafted() ? Unknown.NOTHING : Unknown.PLAIN;
    }

    /** Whether forwards without drafting before them were measured often enough. */
    boolean knowsUndrafted() {
        return undrafted.ofScale.seen() >= ENOUGH;
    }

    /** Whether it is time for some plain steps in a row, for all that is known of them is old. */
    boolean plainIsDue() {
        return steps - lastPlainRun >= STEPS_BETWEEN_PLAIN;
    }

    /** A step without drafts among others. */
    double plain() {
        return undrafted(PLAIN);
    }

    /** A forward over so many nodes, with no drafting before it. */
    double undrafted(int nodes) {
        return scale * undrafted.ofScale.at(nodes);
    }

    /** A forward over so many nodes, between drafts. */
    double verify(int nodes) {
        return scale * verify.ofScale.at(nodes);
    }

    /** Drafting by so many heads, 1 at least. */
    double draft(int heads) {
        return scale * draft.ofScale.at(heads);
    }
}
