package dev.hydrallm.cli;

import dev.hydrallm.engine.GpuFigures;
import dev.hydrallm.evaluation.ComparisonBenchmark;
import dev.hydrallm.evaluation.ContentionBenchmark;
import dev.hydrallm.evaluation.Machine;
import dev.hydrallm.evaluation.SoakBenchmark;
import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.evaluation.StepBenchmark;
import dev.hydrallm.evaluation.Summary;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Everything that was measured; a part that was not asked for is empty. */
record BenchReport(
        Machine machine,
        String model,
        int threads,
        List<StepBenchmark.Line> steps,
        double temperature,
        List<SpeedBenchmark.Line> speed,
        List<SoakBenchmark.Line> soak,
        List<ContentionBenchmark.Line> contention,
        @Nullable String comparedWith,
        List<ComparisonBenchmark.Line> comparison,
        @Nullable GpuFigures gpu)
        implements Report {

    static BenchReport of(Machine machine, String model, int threads) {
        return new BenchReport(
                machine, model, threads, List.of(), 0, List.of(), List.of(), List.of(), null, List.of(), null);
    }

    BenchReport withSteps(List<StepBenchmark.Line> lines) {
        return new BenchReport(
                machine, model, threads, lines, temperature, speed, soak, contention, comparedWith, comparison, gpu);
    }

    BenchReport withSpeed(double temperature, List<SpeedBenchmark.Line> lines) {
        return new BenchReport(
                machine, model, threads, steps, temperature, lines, soak, contention, comparedWith, comparison, gpu);
    }

    BenchReport withSoak(List<SoakBenchmark.Line> lines) {
        return new BenchReport(
                machine, model, threads, steps, temperature, speed, lines, contention, comparedWith, comparison, gpu);
    }

    BenchReport withContention(List<ContentionBenchmark.Line> lines) {
        return new BenchReport(
                machine, model, threads, steps, temperature, speed, soak, lines, comparedWith, comparison, gpu);
    }

    BenchReport withComparison(String other, List<ComparisonBenchmark.Line> lines) {
        return new BenchReport(machine, model, threads, steps, temperature, speed, soak, contention, other, lines, gpu);
    }

    BenchReport on(@Nullable GpuFigures figures) {
        return new BenchReport(
                machine,
                model,
                threads,
                steps,
                temperature,
                speed,
                soak,
                contention,
                comparedWith,
                comparison,
                figures);
    }

    /** The machine and every part that is there. */
    @Override
    public String tables(Function<Table, String> style) {
        StringBuilder text = new StringBuilder(String.format(
                "%s on %s, %d processors, %s, %s, Java %s%n",
                model,
                machine.processor(),
                machine.processors(),
                contention.isEmpty() ? threads + " thread(s)" : "threads as below",
                machine.system(),
                machine.java()));
        if (gpu != null) {
            text.append(
                    "%s: a copy within its memory %,.0f GB/s, read and written; a forward reads %.2f GB, drafting %.2f GB%n"
                            .formatted(
                                    gpu.device(), gpu.copyRate() / 1e9, gpu.baseBytes() / 1e9, gpu.draftBytes() / 1e9));
        }
        append(text, steps, stepTable(), style);
        append(text, steps.stream().filter(line -> line.device() != null).toList(), deviceTable(), style);
        append(text, speed, speedTable(), style);
        append(text, soak, soakTable(), style);
        append(text, contention, contentionTable(), style);
        append(text, comparison, comparisonTable(), style);
        return text.toString();
    }

    private static void append(StringBuilder text, List<?> lines, Table table, Function<Table, String> style) {
        if (!lines.isEmpty()) {
            text.append(System.lineSeparator()).append(style.apply(table));
        }
    }

    private Table stepTable() {
        Table table = new Table("nodes", "verify ms", "draft ms", "step ms", "median", "overhead %");
        steps.forEach(line -> table.row(
                String.valueOf(line.nodes()),
                spread(line.verify(), 2),
                spread(line.draft(), 2),
                spread(line.step(), 2),
                Table.number(line.step().median(), 2),
                Table.number(100 * line.overhead(), 1)));
        return table;
    }

    /** By the device's own clock: what of a step it computed, and how fast it read the weights, as part of a copy's speed. */
    private Table deviceTable() {
        Table table =
                new Table("nodes", "verify, device ms", "draft, device ms", "verify GB/s", "of a copy %", "draft GB/s");
        for (StepBenchmark.Line line : steps) {
            StepBenchmark.DeviceTimes times = line.device();
            if (times != null && gpu != null) {
                double verify = rate(gpu.baseBytes(), times.verify());
                table.row(
                        String.valueOf(line.nodes()),
                        spread(times.verify(), 2),
                        spread(times.draft(), 2),
                        Table.number(verify / 1e9, 0),
                        Table.number(100 * verify / gpu.copyRate(), 0),
                        // One node takes no draft.
                        times.draft().median() == 0
                                ? ""
                                : Table.number(rate(gpu.draftBytes(), times.draft()) / 1e9, 0));
            }
        }
        return table;
    }

    private static double rate(long bytes, Summary milliseconds) {
        return bytes / milliseconds.median() * 1e3;
    }

    private Table speedTable() {
        Table table = new Table(
                "tree nodes, " + (temperature == 0 ? "greedy" : "temperature " + temperature),
                "tokens/s",
                "ratio to plain",
                "tokens/step",
                "overhead %",
                "same ids");
        speed.forEach(line -> table.row(
                line.tree(),
                spread(line.tokensPerSecond(), line.tokensPerSecond().mean() < 20 ? 2 : 0),
                spread(line.ratio(), 2),
                Table.number(line.tokensPerStep(), 2),
                Table.number(100 * line.overhead(), 1),
                line.sameIds() ? "yes" : "no"));
        return table;
    }

    private Table soakTable() {
        Table table = new Table("steps", "resident MiB");
        soak.forEach(line -> table.row(String.valueOf(line.steps()), Table.number(line.residentMebibytes(), 1)));
        return table;
    }

    private Table contentionTable() {
        Table table = new Table(
                "threads", "busy neighbours", "plain step ms", "tree step ms", "plain tokens/s", "tokens/s", "ratio");
        contention.forEach(line -> table.row(
                String.valueOf(line.threads()),
                String.valueOf(line.neighbours()),
                spread(line.plainStep().step(), 2),
                spread(line.treeStep().step(), 2),
                spread(line.plain().tokensPerSecond(), 0),
                spread(line.speculative().tokensPerSecond(), 0),
                spread(line.speculative().ratio(), 2)));
        return table;
    }

    private Table comparisonTable() {
        Table table = new Table("nodes", model + " ms", comparedWith + " ms", "ratio");
        comparison.forEach(line -> table.row(
                String.valueOf(line.nodes()),
                spread(line.first(), 2),
                spread(line.second(), 2),
                spread(line.ratio(), 2)));
        return table;
    }

    static String spread(Summary summary, int digits) {
        return Table.number(summary.mean(), digits) + " ± " + Table.number(summary.deviation(), digits);
    }
}
