package dev.hydrallm.decoding;

import java.util.Arrays;
import java.util.List;

/** How often the node at the end of each of a tree's paths is accepted: running means, the latest steps weigh most. */
final class AcceptanceRates {
    /** What is assumed before anything was seen: of the best guess at each depth, and of each next rank. */
    private static final double ASSUMED_BEST = 0.5;

    private static final double ASSUMED_RANK = 0.3;
    /** How many observations an assumption, what others saw, and all that was seen count for at most. */
    private static final int ASSUMED_WEIGHT = 4;

    private static final int INHERITED_WEIGHT = 12;
    private static final int SEQUENCE_WINDOW = 24;
    private static final int LONG_WINDOW = 512;

    private final double[] rates;
    private final int[] weights;
    private final int window;

    private AcceptanceRates(double[] rates, int[] weights, int window) {
        this.rates = rates;
        this.weights = weights;
        this.window = window;
    }

    /** Of paths that nobody has seen yet, for all sequences of one kind. */
    static AcceptanceRates assumed(List<List<Integer>> paths) {
        double[] rates = paths.stream()
                .mapToDouble(path -> path.stream()
                        .mapToDouble(rank -> ASSUMED_BEST * Math.pow(ASSUMED_RANK, rank))
                        .reduce(1, (a, b) -> a * b))
                .toArray();
        int[] weights = new int[rates.length];
        Arrays.fill(weights, ASSUMED_WEIGHT);
        return new AcceptanceRates(rates, weights, LONG_WINDOW);
    }

    /** Of a new sequence, which starts from what is known of its kind. */
    AcceptanceRates ofSequence() {
        int[] inherited = Arrays.stream(weights)
                .map(weight -> Math.min(weight, INHERITED_WEIGHT))
                .toArray();
        return new AcceptanceRates(rates.clone(), inherited, SEQUENCE_WINDOW);
    }

    /** A path's rate, by its place in the tree. */
    double of(int path) {
        return rates[path];
    }

    /** Lets what comes next weigh more: the text may have changed. */
    void doubt() {
        Arrays.setAll(weights, i -> Math.min(weights[i], ASSUMED_WEIGHT));
    }

    /**
     * Learns from a step.
     *
     * @param used its tree, whose paths are this tree's first ones
     * @param accepted the ranks of the accepted path
     */
    void observe(DraftTree used, List<Integer> accepted) {
        for (int i = 0; i < used.nodes() - 1; i++) {
            List<Integer> path = used.paths().get(i);
            boolean kept = path.size() <= accepted.size()
                    && accepted.subList(0, path.size()).equals(path);
            rates[i] += ((kept ? 1 : 0) - rates[i]) / Math.min(window, ++weights[i]);
        }
    }
}
