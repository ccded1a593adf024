package dev.hydrallm.cli;

import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.evaluation.Summary;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What a search for a draft tree found.
 *
 * @param nodes of the chosen tree, its root included
 * @param paths of the chosen tree, the most often accepted first
 * @param tokensPerStep of the chosen tree on the texts that it was grown for, which flatters it a little
 * @param timed plain decoding first; empty if nothing was timed
 * @param gainOverCompared how much faster the chosen tree is than the fastest one that it is compared with, 0.05 being 5 %; null if there
 *     is none
 * @param gainOverPlain the same against plain decoding
 */
record TreeReport(
        String model,
        int threads,
        double temperature,
        int nodes,
        int depth,
        List<List<Integer>> paths,
        double tokensPerStep,
        List<Line> timed,
        @Nullable Double gainOverCompared,
        @Nullable Double gainOverPlain)
        implements Report {

    /** What a timed tree is to the search. */
    enum Role {
        PLAIN,
        GROWN,
        CHOSEN,
        COMPARED
    }

    /** One timed way of drafting; the ratio is to plain decoding in the same repeat. */
    record Line(
            String tree,
            Role role,
            int nodes,
            int depth,
            double tokensPerStep,
            Summary tokensPerSecond,
            Summary ratio,
            boolean sameIds) {
        static Line of(String tree, Role role, int depth, SpeedBenchmark.Line measured) {
            return new Line(
                    tree,
                    role,
                    measured.nodes(),
                    depth,
                    measured.tokensPerStep(),
                    measured.tokensPerSecond(),
                    measured.ratio(),
                    measured.sameIds());
        }

        Line chosen() {
            return new Line(tree, Role.CHOSEN, nodes, depth, tokensPerStep, tokensPerSecond, ratio, sameIds);
        }

        private double speed() {
            return ratio.median();
        }
    }

    /** The fastest of the timed ways in a role, by its median ratio to plain decoding. */
    static Optional<Line> fastest(List<Line> timed, Role role) {
        return timed.stream().filter(line -> line.role == role).max(Comparator.comparingDouble(Line::speed));
    }

    /** How much faster the chosen way is than the fastest in a role. */
    static @Nullable Double gain(List<Line> timed, Role over) {
        Optional<Line> chosen = fastest(timed, Role.CHOSEN);
        Optional<Line> other = fastest(timed, over);
        return chosen.isEmpty() || other.isEmpty()
                ? null
                : chosen.get().speed() / other.get().speed() - 1;
    }

    @Override
    public String tables(Function<Table, String> style) {
        StringBuilder text = new StringBuilder(String.format(
                "%s, %d thread(s), %s: a tree of %d nodes and depth %d, %s tokens/step where it was grown%n%s%n",
                model,
                threads,
                temperature == 0 ? "greedy" : "temperature " + temperature,
                nodes,
                depth,
                Table.number(tokensPerStep, 2),
                paths.toString().replace(" ", "")));
        if (!timed.isEmpty()) {
            Table table = new Table(
                    "tree",
                    "nodes",
                    "depth",
                    "tokens/step",
                    "tokens/s",
                    "median",
                    "ratio to plain",
                    "median",
                    "same ids");
            timed.forEach(line -> table.row(
                    (line.role == Role.CHOSEN ? "* " : "") + line.tree,
                    String.valueOf(line.nodes),
                    String.valueOf(line.depth),
                    Table.number(line.tokensPerStep, 2),
                    BenchReport.spread(line.tokensPerSecond, line.tokensPerSecond.mean() < 20 ? 2 : 0),
                    Table.number(line.tokensPerSecond.median(), line.tokensPerSecond.mean() < 20 ? 2 : 0),
                    BenchReport.spread(line.ratio, 2),
                    Table.number(line.ratio.median(), 2),
                    line.sameIds ? "yes" : "no"));
            text.append(System.lineSeparator()).append(style.apply(table));
        }
        if (gainOverCompared != null) {
            text.append(String.format(
                    "%nThe chosen tree (*) against the fastest of those that it is compared with: %s %n",
                    percent(gainOverCompared)));
        }
        if (gainOverPlain != null) {
            text.append(String.format(
                    "%s against plain decoding: %s%s%n",
                    gainOverCompared == null ? System.lineSeparator() + "The chosen tree (*)" : "And",
                    percent(gainOverPlain),
                    gainOverPlain > 0 ? "" : ". No tree that was timed pays here."));
        }
        return text.toString();
    }

    private static String percent(double gain) {
        return (gain < 0 ? "" : "+") + Table.number(100 * gain, 1) + " %";
    }
}
