package dev.hydrallm.decoding;

import java.util.Arrays;
import java.util.BitSet;

/**
 * Chooses for each step of one sequence how many heads to ask, and then, by how sure they are, which of its tree's nodes to draft, so
 * that expected tokens per second are highest. A node pays if it is accepted more often than steps bring tokens in the time that it
 * costs (Dinkelbach 1967: what maximizes a ratio of sums also maximizes the gain less the cost at that ratio). Where no drafts pay,
 * no head is asked.
 *
 * <p>Now and then it asks all heads and drafts more than seems to pay, for the text may have become easier: soon again while that brings
 * tokens, ever more seldom while it does not.
 */
final class TreeChooser {
    /**
     * The heads in use are left only for a number that is better by this factor: estimates are noisy. Back from plain steps it
     * takes no more than being better, for in a trial, which is short, steps take longer than in a row.
     */
    private static final double CLEARLY = 1.05;

    /** And the whole tree for a part of it: a device has to be told of every new shape. */
    private static final double WORTH_A_SHAPE = 1.01;

    /** Nodes of the steps that are there to be measured, in turns. */
    private static final int[] MEASURED_NODES = {8, 2};

    private final DraftTree tree;
    private final StepCosts costs;
    private final Experience.Usual usual;
    private final DraftYield expected;

    /** The heads in use, and those that were asked for the next step: a trial's are others. */
    private int heads;

    private int asked;

    private Mode mode = Mode.USUAL;
    private int measured;
    private Choice last = Choice.NOTHING;

    /** What a step is for. */
    private enum Mode {
        /** The text. */
        USUAL,
        /** To see what more drafts would bring. */
        TRIAL,
        /** To learn what steps cost: all of one size. */
        MEASURE
    }

    /**
     * What was drafted.
     *
     * @param confidence of each node, the root's is 1
     * @param tokens that those which pay were expected to bring, by their depth
     * @param nodes how many they are
     */
    private record Choice(DraftTree tree, double[] confidence, double[] tokens, int[] nodes) {
        static final Choice NOTHING = new Choice(DraftTree.ROOT_ONLY, new double[] {1}, new double[1], new int[1]);
    }

    TreeChooser(DraftTree tree, AcceptanceRule rule, Experience experience) {
        this.tree = tree;
        costs = experience.costs();
        usual = experience.of(tree, rule);
        expected = usual.expected.ofSequence();
        heads = usual.heads;
    }

    /** What to ask of the heads for the next step. */
    DraftShape wanted() {
        asked = headsToAsk();
        return usual.shape(asked);
    }

    private int headsToAsk() {
        mode = Mode.USUAL;
        if (tree.depth() == 0) {
            return 0;
        }
        StepCosts.Unknown unknown = costs.unknown();
        if (unknown != StepCosts.Unknown.NOTHING) {
            // What is shared with others is not measured, and would stay unknown.
            mode = Mode.MEASURE;
            return unknown == StepCosts.Unknown.PLAIN && costs.alone() ? 0 : headsToMeasure();
        }
        if (usual.isNew() || usual.trialGoesOn()) {
            return trialStep();
        }
        if (heads == 0) {
            expected.forget(usual.expected);
        }
        int before = heads;
        heads = best();
        usual.heads = heads;
        usual.tried(before, heads);
        if (heads > 0 && costs.alone() && costs.plainIsDue()) {
            return 0;
        }
        if (usual.trialIsDue()) {
            expected.doubt();
            usual.expected.doubt();
            return trialStep();
        }
        return heads;
    }

    /** Whether it is known what steps cost, and none is there to be measured. */
    boolean knowsCosts() {
        return tree.depth() == 0 ? costs.knowsUndrafted() : costs.unknown() == StepCosts.Unknown.NOTHING;
    }

    /** Tokens per ns that the heads' drafts, or none, are expected to bring. */
    double speed() {
        return Math.max(speed(heads), speed(0));
    }

    private int trialStep() {
        mode = Mode.TRIAL;
        return tree.depth();
    }

    private int best() {
        int best = heads;
        for (int count = 0; count <= tree.depth(); count++) {
            best = speed(count) > speed(best) ? count : best;
        }
        return heads == 0 || speed(best) > CLEARLY * speed(heads) ? best : heads;
    }

    /** Expected tokens per ns. */
    private double speed(int count) {
        return expected.tokens(count) / (costs.plain() * expected.cost(count) + (count == 0 ? 0 : costs.draft(count)));
    }

    /**
     * What to draft of the heads' guesses.
     *
     * @param depth most that it may be deep: where the context ends
     * @param most nodes, the root included
     */
    DraftTree choose(Drafts drafts, int depth, int most) {
        int deepest = Math.min(depth, Math.min(asked, drafts.candidates().length));
        int candidates = 1;
        while (candidates < tree.nodes() && tree.depth(candidates) <= deepest) {
            candidates++;
        }
        double[] confidence = new double[candidates];
        double[] rates = new double[candidates];
        confidence[0] = 1;
        rates[0] = 1;
        for (int node = 1; node < candidates; node++) {
            int parent = tree.parent(node);
            confidence[node] = confidence[parent] * drafts.probabilities()[tree.depth(node) - 1][tree.rank(node)];
            rates[node] = Math.min(rates[parent], usual.calibration.rate(tree.depth(node), confidence[node]));
        }
        int[] likeliest = likeliestFirst(rates);
        int room = Math.min(candidates, most);
        int paying = mode == Mode.MEASURE ? Math.min(nodesToMeasure(), room) : paying(rates, likeliest, room);
        int drafted = mode == Mode.TRIAL ? Math.min(paying + (heads == 0 ? paying : 1), room) : paying;
        last = choice(likeliest, drafted, paying, confidence, rates, deepest);
        return last.tree;
    }

    /** One and all in turns of two steps, so that both go with few nodes and with many. */
    private int headsToMeasure() {
        return costs.alone() && measured / MEASURED_NODES.length % 2 == 1 ? 1 : tree.depth();
    }

    private int nodesToMeasure() {
        return MEASURED_NODES[costs.alone() ? measured++ % MEASURED_NODES.length : 0];
    }

    /** Of equals the first, so that no node stands before its parent, which is at least as likely. */
    private static int[] likeliestFirst(double[] rates) {
        long[] keys = new long[rates.length];
        Arrays.setAll(keys, node -> ((long) -Float.floatToIntBits((float) rates[node]) << Integer.SIZE) | node);
        Arrays.sort(keys);
        return Arrays.stream(keys).mapToInt(key -> (int) key).toArray();
    }

    /** How many of the likeliest nodes pay. */
    private int paying(double[] rates, int[] likeliest, int room) {
        double speed = speed();
        int best = 1;
        double tokens = 0;
        double mostGain = Double.NEGATIVE_INFINITY;
        double highestSpeed = 0;
        for (int count = 1; count <= room; count++) {
            tokens += rates[likeliest[count - 1]];
            double cost = costs.verify(count);
            double gain = tokens - speed * cost;
            if (gain > mostGain) {
                best = count;
                mostGain = gain;
                highestSpeed = tokens / cost;
            }
        }
        return WORTH_A_SHAPE * tokens / costs.verify(room) > highestSpeed ? room : best;
    }

    private Choice choice(int[] likeliest, int drafted, int paying, double[] confidence, double[] rates, int deepest) {
        BitSet nodes = new BitSet();
        double[] tokens = new double[deepest + 1];
        int[] count = new int[deepest + 1];
        for (int i = 0; i < drafted; i++) {
            int node = likeliest[i];
            nodes.set(node);
            if (i < paying) {
                tokens[tree.depth(node)] += rates[node];
                count[tree.depth(node)]++;
            }
        }
        return new Choice(
                usual.subtree(nodes),
                nodes.stream().mapToDouble(node -> confidence[node]).toArray(),
                tokens,
                count);
    }

    /**
     * Learns from the step that drafted what was chosen last.
     *
     * @param path its accepted nodes
     */
    void observe(int[] path) {
        for (int node = 1; node < last.confidence.length; node++) {
            int depth = last.tree.depth(node);
            usual.calibration.observe(depth, last.confidence[node], depth < path.length && path[depth] == node);
        }
        if (mode == Mode.MEASURE) {
            return;
        }
        double tokens = 1;
        int nodes = 1;
        for (int count = 1; count < last.nodes.length; count++) {
            tokens += last.tokens[count];
            nodes += last.nodes[count];
            double cost = costs.verify(nodes) / costs.plain();
            usual.expected.observe(count, tokens, cost);
            expected.observe(count, tokens, cost);
        }
    }
}
