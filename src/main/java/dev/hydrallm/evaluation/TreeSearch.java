package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.EngineLimits;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.IntConsumer;

/**
 * Looks for the draft tree that is fastest on one engine: of every depth and of many sizes a tree is grown for texts that the base wrote,
 * its tokens per step are counted, and what its steps cost is measured by size and by depth. What is best by that is a guess, good enough
 * to choose a few trees that are worth timing ({@link SpeedBenchmark}).
 */
public final class TreeSearch {
    private static final int[] SIZES = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64};

    private final List<RankTrace> traces;
    private final EngineLimits limits;
    private final int width;
    private final NavigableMap<Integer, Double> verifyMillis = new TreeMap<>();
    private final double[] draftMillis;

    /**
     * A tree and what is expected of it.
     *
     * @param tokensPerStep on the texts that it was grown for
     * @param stepMillis by what was measured of steps of its size and depth
     */
    private record Candidate(DraftTree tree, double tokensPerStep, double stepMillis) {
        /** What is expected. */
        double tokensPerSecond() {
            return 1e3 * tokensPerStep / stepMillis;
        }
    }

    private TreeSearch(List<RankTrace> traces, EngineLimits limits, int width) {
        this.traces = traces;
        this.limits = limits;
        this.width = width;
        draftMillis = new double[limits.draftHeads() + 1];
    }

    /**
     * Measures what steps cost.
     *
     * @param traces texts that the base wrote
     * @param width ranks that trees may use
     * @param repeats measured steps of each size and depth
     * @param done told how many of {@link #measurements} are made
     */
    public static TreeSearch on(Engine engine, List<RankTrace> traces, int width, int repeats, IntConsumer done) {
        TreeSearch search = new TreeSearch(traces, engine.limits(), width);
        StepBenchmark benchmark = new StepBenchmark(engine, StepBenchmark.usualContext(engine), repeats);
        int[] sizes = sizes(engine.limits());
        int made = 0;
        DraftTree largest =
                search.grown(sizes[sizes.length - 1], engine.limits().draftHeads());
        for (int depth = 1; depth <= engine.limits().draftHeads(); depth++) {
            DraftTree tree = reaching(depth, Math.min(width, engine.limits().maxNodes() - depth));
            search.draftMillis[depth] =
                    benchmark.run(tree, tree.nodes()).getFirst().draft().median();
            done.accept(++made);
        }
        for (int size : sizes) {
            if (size <= largest.nodes()) {
                search.verifyMillis.put(
                        size, benchmark.run(largest, size).getFirst().verify().median());
            }
            done.accept(++made);
        }
        return search;
    }

    /** A small tree that asks so many heads for so many guesses. */
    private static DraftTree reaching(int depth, int width) {
        List<List<Integer>> paths = new ArrayList<>();
        for (int length = 1; length <= depth; length++) {
            paths.add(Collections.nCopies(length, 0));
        }
        for (int rank = 1; rank < width; rank++) {
            paths.add(List.of(rank));
        }
        return DraftTree.of(paths);
    }

    /** How many measurements a search begins with. */
    public static int measurements(EngineLimits limits) {
        return limits.draftHeads() + sizes(limits).length;
    }

    private static int[] sizes(EngineLimits limits) {
        return Arrays.stream(SIZES).filter(size -> size <= limits.maxNodes()).toArray();
    }

    private DraftTree grown(int nodes, int depth) {
        return DraftTree.of(TreeGrowth.forTraces(traces, nodes, depth, width));
    }

    /**
     * The trees that are worth timing, no two of the same size: half of them are those which promise most if every step drafts them whole,
     * the most promising first; then that one grown to twice its size, and again, for of a larger tree a step can take those nodes that pay
     * there.
     */
    public List<DraftTree> worthTiming(int count) {
        List<Candidate> all = new ArrayList<>();
        for (int depth = 1; depth <= limits.draftHeads(); depth++) {
            for (int nodes : verifyMillis.keySet()) {
                DraftTree tree = grown(nodes, depth);
                if (tree.nodes() == nodes && tree.depth() == depth) {
                    all.add(candidate(tree));
                }
            }
        }
        all.sort(Comparator.comparingDouble(Candidate::tokensPerSecond).reversed());
        Map<Integer, DraftTree> bySize = new LinkedHashMap<>();
        for (Candidate each : all) {
            if (bySize.size() < Math.ceilDiv(count, 2)) {
                bySize.putIfAbsent(each.tree.nodes(), each.tree);
            }
        }
        int largest = sizes(limits)[sizes(limits).length - 1];
        for (int nodes = 2 * all.getFirst().tree.nodes(); bySize.size() < count && nodes <= largest; nodes *= 2) {
            DraftTree tree = grown(nodes, limits.draftHeads());
            bySize.putIfAbsent(tree.nodes(), tree);
        }
        return List.copyOf(bySize.values());
    }

    private Candidate candidate(DraftTree tree) {
        double step = verifyMillis.getOrDefault(tree.nodes(), Double.NaN) + draftMillis[tree.depth()];
        return new Candidate(tree, RankTrace.tokensPerStep(traces, tree), step);
    }
}
