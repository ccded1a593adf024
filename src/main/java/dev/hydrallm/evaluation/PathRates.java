package dev.hydrallm.evaluation;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How often each path of ranks would be accepted, measured over steps: what is accepted at one depth is not independent of the depth
 * before, as Medusa's product of rates takes it to be.
 *
 * <p>Of paths that were seen seldom or never the product of their ranks' own rates says more: it counts as {@value #PRIOR_STEPS} steps.
 * A path's rate is never above its parent's.
 */
public final class PathRates {
    private static final double PRIOR_STEPS = 4;

    private final Map<List<Integer>, Integer> accepted = new HashMap<>();
    private final double[][] rankRates;
    private final int heads;
    private final int width;
    private long steps;

    private PathRates(int heads, int width) {
        this.heads = heads;
        this.width = width;
        rankRates = new double[heads][width];
    }

    /** Over the steps that decoding with a tree of these paths takes; with no path that is every token. */
    public static PathRates over(List<RankTrace> traces, Set<List<Integer>> tree, int heads, int width) {
        PathRates rates = new PathRates(heads, width);
        traces.forEach(trace -> trace.walk(tree, (coming, _) -> rates.add(coming)));
        rates.divide();
        return rates;
    }

    private void add(List<Integer> coming) {
        steps++;
        for (int depth = 1; depth <= Math.min(heads, coming.size()); depth++) {
            accepted.merge(List.copyOf(coming.subList(0, depth)), 1, Integer::sum);
        }
    }

    /** Rates of a depth's ranks where the depth before was among the guesses: their product is that of a path. */
    private void divide() {
        double[] reached = new double[heads + 1];
        reached[0] = steps;
        accepted.forEach((path, count) -> {
            int depth = path.size();
            reached[depth] += count;
            rankRates[depth - 1][path.getLast()] += count;
        });
        for (int depth = 0; depth < heads; depth++) {
            for (int rank = 0; rank < width; rank++) {
                rankRates[depth][rank] /= Math.max(1, reached[depth]);
            }
        }
    }

    /** Steps that were seen. */
    public long steps() {
        return steps;
    }

    /** How many of them would have accepted the whole path. */
    public int accepted(List<Integer> path) {
        return accepted.getOrDefault(path, 0);
    }

    /** The share of steps that accept the whole path, 0 to 1. */
    public double rate(List<Integer> path) {
        double product = 1;
        for (int depth = 0; depth < path.size(); depth++) {
            product *= rankRates[depth][path.get(depth)];
        }
        return (accepted(path) + PRIOR_STEPS * product) / (steps + PRIOR_STEPS);
    }
}
