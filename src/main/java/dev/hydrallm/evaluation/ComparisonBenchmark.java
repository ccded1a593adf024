package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The steps of two engines in turns, so that what else the machine does falls on both. */
public final class ComparisonBenchmark {
    private static final int ROUNDS = 8;

    private ComparisonBenchmark() {}

    /**
     * One number of nodes. Times are ms, medians of a round, by round.
     *
     * @param ratio the second engine's time ÷ the first's of the same round
     */
    public record Line(int nodes, Summary first, Summary second, Summary ratio) {}

    /** Measures steps of a tree's first nodes on both engines. */
    public static List<Line> run(Engine first, Engine second, DraftTree tree, int steps, int... nodeCounts) {
        int[] counts =
                Arrays.stream(nodeCounts).filter(nodes -> nodes <= tree.nodes()).toArray();
        double[][] a = new double[counts.length][ROUNDS];
        double[][] b = new double[counts.length][ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            measure(first, tree, steps, counts, a, round);
            measure(second, tree, steps, counts, b, round);
        }
        List<Line> lines = new ArrayList<>();
        for (int i = 0; i < counts.length; i++) {
            double[] ratio = new double[ROUNDS];
            for (int round = 0; round < ROUNDS; round++) {
                ratio[round] = b[i][round] / a[i][round];
            }
            lines.add(new Line(counts[i], Summary.of(a[i]), Summary.of(b[i]), Summary.of(ratio)));
        }
        return lines;
    }

    private static void measure(Engine engine, DraftTree tree, int steps, int[] counts, double[][] medians, int round) {
        int each = Math.max(4, steps / ROUNDS);
        List<StepBenchmark.Line> lines =
                new StepBenchmark(engine, StepBenchmark.usualContext(engine), each).run(tree, counts);
        for (int i = 0; i < counts.length; i++) {
            medians[i][round] = lines.get(i).step().median();
        }
    }
}
