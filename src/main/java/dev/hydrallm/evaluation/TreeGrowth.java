package dev.hydrallm.evaluation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Grows draft trees greedily, always by the path with the highest rate, as Medusa's authors do (Cai et al. 2024, §2.3.3). Where no path's
 * rate is above its parent's, no other tree of as many nodes has a larger sum of rates, which is the expected number of accepted tokens.
 */
public final class TreeGrowth {
    /** How often a tree is grown again for the steps that it leads to itself. */
    private static final int ROUNDS = 4;

    private TreeGrowth() {}

    /**
     * Grows a tree.
     *
     * @param nodes of the tree, its root included, 1 at least; there are fewer only if depth and width leave no more
     * @param depth most ranks of a path
     * @param width ranks of each depth
     * @param rate of a path, not above its parent's
     * @return paths in the order of growth, so that parents come first
     */
    public static List<List<Integer>> grow(int nodes, int depth, int width, ToDoubleFunction<List<Integer>> rate) {
        record Candidate(List<Integer> path, double rate) {}

        Comparator<Candidate> best = Comparator.comparingDouble((Candidate each) -> -each.rate)
                .thenComparingInt(each -> each.path.size())
                .thenComparing(each -> each.path.toString());
        PriorityQueue<Candidate> frontier = new PriorityQueue<>(best);
        List<List<Integer>> tree = new ArrayList<>();
        List<Integer> parent = List.of();
        while (tree.size() < nodes - 1) {
            if (parent.size() < depth) {
                for (int rank = 0; rank < width; rank++) {
                    List<Integer> child = new ArrayList<>(parent);
                    child.add(rank);
                    frontier.add(new Candidate(List.copyOf(child), rate.applyAsDouble(child)));
                }
            }
            Candidate next = frontier.poll();
            if (next == null) {
                return tree;
            }
            tree.add(next.path);
            parent = next.path;
        }
        return tree;
    }

    /**
     * Medusa's own way: by the product of each head's rates of being right at each rank, as if heads erred independently.
     *
     * @param rates (heads, ranks)
     */
    public static List<List<Integer>> byRankRates(int nodes, double[][] rates) {
        return grow(
                nodes,
                rates.length,
                rates[0].length,
                path -> IntStream.range(0, path.size())
                        .mapToDouble(depth -> rates[depth][path.get(depth)])
                        .reduce(1, (a, b) -> a * b));
    }

    /**
     * Grows a tree for texts that the base wrote. A step begins where the one before could not go on, and that depends on the tree: so the
     * tree is grown for the steps of the tree before, a few times, and the one that takes the fewest steps wins.
     */
    public static List<List<Integer>> forTraces(List<RankTrace> traces, int nodes, int depth, int width) {
        Set<List<Integer>> before = Set.of();
        List<List<Integer>> best = List.of();
        long fewest = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            PathRates rates = PathRates.over(traces, before, depth, width);
            List<List<Integer>> tree = grow(nodes, depth, width, rates::rate);
            before = new HashSet<>(tree);
            long steps = PathRates.over(traces, before, depth, width).steps();
            if (steps < fewest) {
                fewest = steps;
                best = tree;
            }
        }
        return best;
    }
}
