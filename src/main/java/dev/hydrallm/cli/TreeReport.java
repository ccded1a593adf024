package dev.hydrallm.cli;

import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.evaluation.Summary;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * What a search for a draft tree found.
 *
 * @param nodes of the chosen tree, its root included
 * @param paths of the chosen tree, the most often accepted first
 * @param tokensPerStep of the chosen tree on the texts that it was grown for, which flatters it a little
 * @param choice what the tree was chosen by, plain decoding first; empty if there was no choice
 * @param timed in passes of their own, after the choice: plain decoding, the chosen tree, those that it is compared with; empty if
 *     nothing was timed
 * @param against the chosen tree against each of the other timed ones
 */
record TreeReport(
        String model,
        int threads,
        double temperature,
        int nodes,
        int depth,
        List<List<Integer>> paths,
        double tokensPerStep,
        List<Line> choice,
        List<Line> timed,
        List<Against> against)
        implements Report {

    /** What a timed tree is to the search. */
    enum Role {
        PLAIN,
        GROWN,
        CHOSEN,
        COMPARED
    }

    /**
     * One timed way of drafting.
     *
     * @param speeds tokens per second by pass
     * @param ratio to plain decoding in the same pass
     */
    record Line(
            String tree,
            Role role,
            int nodes,
            int depth,
            double tokensPerStep,
            List<Double> speeds,
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
                    measured.speeds(),
                    measured.tokensPerSecond(),
                    measured.ratio(),
                    measured.sameIds());
        }
    }

    /**
     * How many times as fast as another way the chosen tree is.
     *
     * @param ratios pass by pass
     */
    record Against(String tree, Role role, List<Double> ratios, Summary ratio) {
        private static Against of(Line chosen, Line other) {
            double[] ratios = new double[chosen.speeds.size()];
            Arrays.setAll(ratios, pass -> chosen.speeds.get(pass) / other.speeds.get(pass));
            return new Against(
                    other.tree, other.role, Arrays.stream(ratios).boxed().toList(), Summary.of(ratios));
        }
    }

    /** The fastest of some, by its median ratio to plain decoding. */
    static Line fastest(List<Line> lines) {
        return lines.stream()
                .max(Comparator.comparingDouble(line -> line.ratio.median()))
                .orElseThrow();
    }

    /** The chosen one of timed ways against each of the others. */
    static List<Against> against(List<Line> timed) {
        return timed.stream()
                .filter(line -> line.role == Role.CHOSEN)
                .flatMap(chosen ->
                        timed.stream().filter(line -> line.role != Role.CHOSEN).map(other -> Against.of(chosen, other)))
                .toList();
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
        if (!choice.isEmpty()) {
            text.append(String.format("%nwhat it was chosen by%n%n%s", style.apply(table(choice))));
        }
        if (!timed.isEmpty()) {
            text.append(String.format("%ntimed again after the choice%n%n%s", style.apply(table(timed))));
            Table ratios = new Table("the chosen tree's speed to", "median", "mean", "least", "by pass");
            against.forEach(other -> ratios.row(
                    other.tree,
                    Table.number(other.ratio.median(), 3),
                    BenchReport.spread(other.ratio, 3),
                    Table.number(other.ratio.least(), 3),
                    other.ratios.stream().map(ratio -> Table.number(ratio, 2)).collect(Collectors.joining(" "))));
            text.append(String.format("%n%s%n", style.apply(ratios)));
            hardest(Role.COMPARED)
                    .ifPresent(other -> text.append(String.format(
                            "Against the fastest of those that it is compared with, the %s: %s%n  without the text: %s%n",
                            other.tree, percent(other), withoutText(other))));
            hardest(Role.PLAIN)
                    .ifPresent(plain -> text.append(String.format(
                            "Against plain decoding: %s%s%n",
                            percent(plain), plain.ratio.median() > 1 ? "" : ". This tree does not pay here.")));
        }
        return text.toString();
    }

    private Table table(List<Line> lines) {
        Table table = new Table(
                "tree", "nodes", "depth", "tokens/step", "tokens/s", "median", "ratio to plain", "median", "same ids");
        lines.forEach(line -> table.row(
                line.role != Role.PLAIN && line.role != Role.COMPARED && line.nodes == nodes
                        ? "* " + line.tree
                        : line.tree,
                String.valueOf(line.nodes),
                String.valueOf(line.depth),
                Table.number(line.tokensPerStep, 2),
                BenchReport.spread(line.tokensPerSecond, digits(line)),
                Table.number(line.tokensPerSecond.median(), digits(line)),
                BenchReport.spread(line.ratio, 2),
                Table.number(line.ratio.median(), 2),
                line.sameIds ? "yes" : "no"));
        return table;
    }

    private static int digits(Line line) {
        return line.tokensPerSecond.mean() < 20 ? 2 : 0;
    }

    /** That one of a role which the chosen tree is least ahead of. */
    private Optional<Against> hardest(Role role) {
        return against.stream()
                .filter(other -> other.role == role)
                .min(Comparator.comparingDouble(other -> other.ratio.median()));
    }

    /** What the other ways of drafting the chosen tree are ahead of another. */
    private String withoutText(Against other) {
        Line compared = timed.stream()
                .filter(line -> line.tree.equals(other.tree))
                .findFirst()
                .orElseThrow();
        return timed.stream()
                .filter(line -> line.role == Role.GROWN)
                .map(line -> line.tree + ": " + gain(Against.of(line, compared)))
                .collect(Collectors.joining("; "));
    }

    private static String percent(Against other) {
        return gain(other) + " (median of " + other.ratios.size() + " passes)";
    }

    private static String gain(Against other) {
        double gain = other.ratio.median() - 1;
        return (gain < 0 ? "" : "+") + Table.number(100 * gain, 1) + " %";
    }
}
