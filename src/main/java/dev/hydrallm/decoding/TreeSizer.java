package dev.hydrallm.decoding;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Chooses for each step of one sequence how many of its tree's first nodes to draft, so that expected tokens per second
 * are highest: one token and the rate at which each drafted node was accepted so far, over what such a step costs. Where
 * no drafts pay the step is a plain one.
 *
 * <p>Now and then it tries a larger tree, for the text may have become easier: soon again while that brings tokens, ever
 * more seldom while it does not.
 */
final class TreeSizer {
    /**
     * The size in use is left only for one that is better by this factor: rates are noisy, and sizes that seldom run
     * look dearer than they are.
     */
    private static final double CLEARLY = 1.05;

    private static final int TRIAL_STEPS = 4;
    /** How long the cost of a plain step is believed without running one. */
    private static final int STEPS_BETWEEN_PLAIN = 128;

    private final DraftTree tree;
    private final DraftTree[] prefixes;
    private final StepCosts costs;
    private final Experience.Usual usual;
    private final AcceptanceRates rates;
    private int nodes;

    /** Steps left of a running trial, and whether its result is still to be judged. */
    private int trialSteps;

    private boolean onTrial;

    TreeSizer(DraftTree whole, AcceptanceRule rule, Experience experience) {
        tree = DraftTree.of(parentsFirst(whole.paths()));
        prefixes = new DraftTree[tree.nodes() + 1];
        costs = experience.costs();
        usual = experience.of(tree, rule);
        rates = usual.rates.ofSequence();
        nodes = usual.nodes;
    }

    /** So that the first nodes of the tree are the first of its paths. */
    private static List<List<Integer>> parentsFirst(List<List<Integer>> paths) {
        Set<List<Integer>> connected = new HashSet<>(Set.of(List.of()));
        List<List<Integer>> ordered = new ArrayList<>();
        while (ordered.size() < paths.size()) {
            for (List<Integer> path : paths) {
                if (connected.contains(path.subList(0, path.size() - 1)) && connected.add(path)) {
                    ordered.add(path);
                }
            }
        }
        return ordered;
    }

    /** What to draft for the next step. */
    DraftTree next() {
        int unknown = costs.toTry(nodes);
        if (unknown > 0) {
            // What is shared with others is not measured, and would stay unknown.
            return first(costs.alone() ? unknown : nodes);
        }
        if (trialSteps > 0) {
            return first(trialStep());
        }
        int before = nodes;
        nodes = best();
        usual.nodes = nodes;
        if (onTrial) {
            usual.tried(before, nodes);
            onTrial = false;
        }
        if (nodes > 1 && costs.alone() && costs.stepsSincePlain() >= STEPS_BETWEEN_PLAIN) {
            return first(1);
        }
        if (nodes < tree.nodes() && usual.trialIsDue()) {
            onTrial = true;
            trialSteps = TRIAL_STEPS;
            rates.doubt();
            return first(trialStep());
        }
        return first(nodes);
    }

    private int trialStep() {
        trialSteps--;
        return Math.min(tree.nodes(), 2 * nodes);
    }

    private int best() {
        int best = 1;
        double bestSpeed = 0;
        double currentSpeed = 0;
        double tokens = 1;
        for (int size = 1; size <= tree.nodes(); size++) {
            double speed = tokens / costs.of(size, first(size).depth());
            if (speed > bestSpeed) {
                best = size;
                bestSpeed = speed;
            }
            if (size == nodes) {
                currentSpeed = speed;
            }
            tokens += size < tree.nodes() ? rates.of(size - 1) : 0;
        }
        return bestSpeed > CLEARLY * currentSpeed ? best : nodes;
    }

    private DraftTree first(int size) {
        DraftTree known = prefixes[size];
        if (known == null) {
            known = tree.first(size);
            prefixes[size] = known;
        }
        return known;
    }

    /**
     * Learns from a step.
     *
     * @param used what it drafted; nothing is learned where the context's end cut it to another shape than a smaller size has
     * @param path its accepted nodes
     */
    void observe(DraftTree used, int[] path) {
        if (!used.equals(first(used.nodes()))) {
            return;
        }
        List<Integer> accepted = used.ranksTo(path[path.length - 1]);
        usual.rates.observe(used, accepted);
        rates.observe(used, accepted);
    }
}
