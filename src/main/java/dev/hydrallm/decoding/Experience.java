package dev.hydrallm.decoding;

import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** What a decoder has learned of its engine and its texts, so that a new sequence need not start from nothing. */
final class Experience {
    private static final int MOST_KINDS = 64;
    private static final int MOST_SUBTREES = 256;

    private final StepCosts costs = new StepCosts();
    private final Map<Kind, Usual> usual = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Kind, Usual> eldest) {
            return size() > MOST_KINDS;
        }
    };

    /** Texts whose drafts pass alike: of one tree, and about as hot. */
    private record Kind(DraftTree tree, long tenthsOfTemperature) {
        static Kind of(DraftTree tree, AcceptanceRule rule) {
            return new Kind(tree, rule instanceof AcceptanceRule.Sampled hot ? Math.round(10 * hot.temperature()) : 0);
        }
    }

    /** What steps cost. */
    StepCosts costs() {
        return costs;
    }

    /** What texts of this tree and rule are usually like. */
    Usual of(DraftTree tree, AcceptanceRule rule) {
        return usual.computeIfAbsent(Kind.of(tree, rule), ignored -> new Usual(tree));
    }

    /** What all sequences of a kind learn together. */
    static final class Usual {
        private static final int SOONEST_TRIAL = 64;
        private static final int NEW_STEPS = 128;
        private static final int TRIAL_STEPS = 24;
        private static final int LATEST_TRIAL = 512;

        final Calibration calibration;
        final DraftYield expected;
        final RepetitionRates repetition = new RepetitionRates();
        /** Heads in use. */
        int heads;

        private final DraftTree tree;
        /** What fills the tree as deep as so many heads reach; made once, for it is asked at every step. */
        private final List<DraftShape> shapes;

        private final Map<BitSet, DraftTree> subtrees = new LinkedHashMap<>(16, 0.75f, true) {
            @Override
            protected boolean removeEldestEntry(Map.Entry<BitSet, DraftTree> eldest) {
                return size() > MOST_SUBTREES;
            }
        };

        private int newSteps = NEW_STEPS;
        private int trialInterval = SOONEST_TRIAL;
        private int untilTrial = SOONEST_TRIAL;
        /** Steps of a trial that are yet to come, of whatever sequence: texts of one length would else end before each of theirs. */
        private int trialSteps;

        private boolean onTrial;

        private Usual(DraftTree tree) {
            this.tree = tree;
            shapes = IntStream.rangeClosed(0, tree.depth())
                    .mapToObj(depth -> DraftShape.of(tree.withinDepth(depth)))
                    .toList();
            calibration = new Calibration(tree.depth());
            expected = DraftYield.assumed(tree.depth());
            heads = tree.depth();
        }

        /** Counts a step; whether nobody knows yet when drafts pass: no use to decide anything. */
        boolean isNew() {
            newSteps = Math.max(-1, newSteps - 1);
            return newSteps >= 0;
        }

        /** Counts a step without a trial; whether one begins with it. */
        boolean trialIsDue() {
            if (--untilTrial > 0) {
                return false;
            }
            onTrial = true;
            trialSteps = TRIAL_STEPS - 1;
            return true;
        }

        /** Counts a step of a trial; whether it is one. */
        boolean trialGoesOn() {
            trialSteps = Math.max(-1, trialSteps - 1);
            return trialSteps >= 0;
        }

        /** What to ask of so many heads. */
        DraftShape shape(int heads) {
            return shapes.get(heads);
        }

        /** The tree of some of the nodes, the root and all their ancestors among them. */
        DraftTree subtree(BitSet nodes) {
            return subtrees.computeIfAbsent(nodes, tree::only);
        }

        /** Steps are chosen as usual: if a trial has ended, the next comes soon where it led to more heads, later where it did not. */
        void tried(int headsBefore, int headsAfter) {
            if (!onTrial) {
                return;
            }
            onTrial = false;
            trialInterval = headsAfter > headsBefore ? SOONEST_TRIAL : Math.min(LATEST_TRIAL, 2 * trialInterval);
            untilTrial = trialInterval;
        }
    }
}
