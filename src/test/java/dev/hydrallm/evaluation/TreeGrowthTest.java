package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.decoding.DraftTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class TreeGrowthTest {
    private static double sum(List<List<Integer>> tree, ToDoubleFunction<List<Integer>> rate) {
        return tree.stream().mapToDouble(rate).sum();
    }

    /** The best sum of rates of any tree with so many more paths, those that may be added given in order. */
    private static double best(
            Set<List<Integer>> tree,
            List<List<Integer>> all,
            int from,
            int left,
            ToDoubleFunction<List<Integer>> rate) {
        if (left == 0) {
            return 0;
        }
        double best = Double.NEGATIVE_INFINITY;
        for (int i = from; i < all.size(); i++) {
            List<Integer> path = all.get(i);
            if (path.size() == 1 || tree.contains(path.subList(0, path.size() - 1))) {
                tree.add(path);
                best = Math.max(best, rate.applyAsDouble(path) + best(tree, all, i + 1, left - 1, rate));
                tree.remove(path);
            }
        }
        return best;
    }

    /** All paths, parents first. */
    private static List<List<Integer>> paths(int depth, int width) {
        List<List<Integer>> all = new ArrayList<>();
        List<List<Integer>> level = List.of(List.of());
        for (int i = 0; i < depth; i++) {
            List<List<Integer>> next = new ArrayList<>();
            for (List<Integer> parent : level) {
                for (int rank = 0; rank < width; rank++) {
                    List<Integer> child = new ArrayList<>(parent);
                    child.add(rank);
                    next.add(child);
                }
            }
            all.addAll(next);
            level = next;
        }
        return all;
    }

    @Property(tries = 200)
    void noTreeOfAsManyNodesHasALargerProductOfRates(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 3) int depth,
            @ForAll @IntRange(min = 1, max = 3) int width,
            @ForAll @IntRange(min = 1, max = 6) int nodes) {
        Random random = new Random(seed);
        double[][] rates = new double[depth][width];
        for (double[] head : rates) {
            Arrays.setAll(head, rank -> random.nextInt(5) == 0 ? 0.25 : random.nextDouble() / width);
        }
        ToDoubleFunction<List<Integer>> product = path -> IntStream.range(0, path.size())
                .mapToDouble(i -> rates[i][path.get(i)])
                .reduce(1, (a, b) -> a * b);
        List<List<Integer>> tree = TreeGrowth.byRankRates(nodes, rates);
        int possible = Math.min(nodes - 1, paths(depth, width).size());
        assertThat(tree).hasSize(possible);
        DraftTree.of(tree); // parents are there
        assertThat(sum(tree, product))
                .isCloseTo(best(new HashSet<>(), paths(depth, width), 0, possible, product), within(1e-12));
    }

    @Property(tries = 200)
    void noTreeOfAsManyNodesAcceptsMoreOfWhatWasMeasured(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 3) int depth,
            @ForAll @IntRange(min = 1, max = 3) int width,
            @ForAll @IntRange(min = 2, max = 6) int nodes) {
        List<RankTrace> traces = List.of(trace(seed, 40, depth, width), trace(seed + 1, 25, depth, width));
        PathRates rates = PathRates.over(traces, Set.of(), depth, width);
        for (List<Integer> path : paths(depth, width)) {
            if (path.size() > 1) {
                assertThat(rates.rate(path)).isLessThanOrEqualTo(rates.rate(path.subList(0, path.size() - 1)));
            }
        }
        List<List<Integer>> tree = TreeGrowth.grow(nodes, depth, width, rates::rate);
        assertThat(sum(tree, rates::rate))
                .isCloseTo(best(new HashSet<>(), paths(depth, width), 0, tree.size(), rates::rate), within(1e-12));
    }

    /** Depths that hang together: what comes second depends on what came first. */
    private static RankTrace trace(long seed, int tokens, int depth, int width) {
        Random random = new Random(seed);
        List<List<Integer>> ranks = new ArrayList<>();
        for (int i = 0; i < tokens; i++) {
            List<Integer> path = new ArrayList<>();
            while (path.size() < depth && random.nextInt(4) > 0) {
                path.add(path.isEmpty() ? random.nextInt(width) : (path.getLast() + random.nextInt(2)) % width);
            }
            ranks.add(path);
        }
        return new RankTrace(ranks);
    }

    @Test
    void ratesAreCountsOfStepsAndOfUnseenPathsAFewStepsProducts() {
        RankTrace trace = new RankTrace(List.of(List.of(0, 1), List.of(0, 1), List.of(1), List.of()));
        PathRates all = PathRates.over(List.of(trace), Set.of(), 2, 2);
        assertThat(all.steps()).isEqualTo(4);
        assertThat(all.accepted(List.of(0))).isEqualTo(2);
        assertThat(all.accepted(List.of(0, 1))).isEqualTo(2);
        assertThat(all.accepted(List.of(1))).isEqualTo(1);
        assertThat(all.rate(List.of(0))).isCloseTo((2 + 4 * 0.5) / 8, within(1e-12));
        // Of the 3 steps that reached depth 1, 2 went on, both at rank 1.
        assertThat(all.rate(List.of(0, 1))).isCloseTo((2 + 4 * 0.5 * 2 / 3) / 8, within(1e-12));
        assertThat(all.rate(List.of(1, 1))).isCloseTo(4 * 0.25 * 2 / 3 / 8, within(1e-12));
        assertThat(all.rate(List.of(1, 0))).isZero();
        // With [0] in the tree the second token is accepted in the first step, so that no step begins there.
        PathRates some = PathRates.over(List.of(trace), Set.of(List.of(0)), 2, 2);
        assertThat(some.steps()).isEqualTo(3);
        assertThat(some.accepted(List.of(0))).isEqualTo(1);
    }

    @Test
    void aTreeIsGrownForTheStepsThatItLeadsTo() {
        List<RankTrace> traces = List.of(trace(5, 300, 3, 4), trace(6, 300, 3, 4));
        Map<Integer, Double> perStep = new HashMap<>();
        for (int nodes : new int[] {2, 4, 8, 16, 32}) {
            DraftTree tree = DraftTree.of(TreeGrowth.forTraces(traces, nodes, 3, 4));
            assertThat(tree.nodes()).isEqualTo(nodes);
            DraftTree naive = DraftTree.of(TreeGrowth.grow(nodes, 3, 4, PathRates.over(traces, Set.of(), 3, 4)::rate));
            perStep.put(nodes, RankTrace.tokensPerStep(traces, tree));
            assertThat(perStep.get(nodes)).isGreaterThanOrEqualTo(RankTrace.tokensPerStep(traces, naive));
        }
        assertThat(perStep.get(32)).isGreaterThan(perStep.get(8)).isLessThanOrEqualTo(4);
        assertThat(perStep.get(8)).isGreaterThan(perStep.get(2));
    }

    @Test
    void aTreeEndsWhereDepthAndWidthDo() {
        assertThat(TreeGrowth.grow(100, 2, 2, path -> 1.0 / path.size())).hasSize(6);
        assertThat(TreeGrowth.grow(1, 2, 2, path -> 1)).isEmpty();
        assertThat(TreeGrowth.grow(3, 1, 5, path -> 1)).containsExactly(List.of(0), List.of(1));
    }
}
