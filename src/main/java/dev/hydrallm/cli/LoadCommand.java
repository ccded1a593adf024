package dev.hydrallm.cli;

import dev.hydrallm.evaluation.FreeMemory;
import dev.hydrallm.evaluation.LoadBenchmark;
import dev.hydrallm.evaluation.LoadBenchmark.Cache;
import dev.hydrallm.evaluation.Machine;
import dev.hydrallm.evaluation.Summary;
import dev.hydrallm.model.PackedModel;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "load",
        sortOptions = false,
        description = "Measures how fast a model's weights are read, verified and made into an engine, against a plain"
                + " parallel read of the same file.",
        footer = {
            "",
            "plain: the file read by as many threads that do nothing with it. verified: SHA-256 checked, tensors handed out.",
            "of plain, of disk: verified against plain, and against plain from the disk. loaded: until an engine is ready.",
            "peak: the process's memory meanwhile. Before a cold turn the page cache forgets the file. Each pass begins with as",
            "much free memory in the same state: used a moment before, or idle for --idle-memory.",
            "",
            "Example:  hydra bench load --model packed/ --repeats 7 --load-threads 4"
        })
final class LoadCommand implements Callable<Integer> {
    private static final int MOST_IDLE = 600;

    @Option(names = "--repeats", paramLabel = "N", defaultValue = "5", description = "Default: ${DEFAULT-VALUE}.")
    int repeats;

    @Option(
            names = "--idle-memory",
            paramLabel = "SECONDS",
            description =
                    "Leave free memory idle for so long before each pass, instead of using it a moment before: the host of"
                            + " a virtual machine takes it back (16 seconds are enough for half of it), and what giving it again"
                            + " takes is part of every figure. So starts a process on an idle machine.")
    @Nullable
    Double idleMemory;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @Override
    public Integer call() throws IOException {
        if (repeats < 1) {
            throw new IllegalArgumentException("--repeats must be at least 1");
        }
        FreeMemory freeMemory = freeMemory();
        String label;
        Path directory;
        try (PackedModel pack = Models.check(modelOptions)) {
            label = Models.label(pack);
            directory = pack.directory();
            Models.loadNatives(pack, modelOptions);
        }
        LoadBenchmark benchmark = new LoadBenchmark(
                directory, modelOptions.load.options(), freeMemory, pack -> Models.engine(pack, modelOptions, 1));
        Progress progress = new Progress("Loading");
        List<LoadBenchmark.Line> lines = new ArrayList<>();
        for (Cache cache : Cache.values()) {
            int before = lines.size() * repeats;
            lines.add(benchmark.run(
                    cache, repeats, done -> progress.count(before + done, Cache.values().length * repeats, "loads")));
        }
        printed.print(new Loads(
                Machine.here(),
                label,
                benchmark.bytes(),
                modelOptions.load.options().threadsFor(benchmark.bytes()),
                repeats,
                idleMemory,
                lines));
        return 0;
    }

    private FreeMemory freeMemory() {
        if (idleMemory == null) {
            return FreeMemory.TOUCHED;
        }
        if (!(idleMemory >= 0 && idleMemory <= MOST_IDLE)) {
            throw new IllegalArgumentException("--idle-memory must be within 0 and " + MOST_IDLE + " seconds");
        }
        return new FreeMemory.Idle(Duration.ofMillis(Math.round(1000 * idleMemory)));
    }

    /** The result. */
    private record Loads(
            Machine machine,
            String model,
            long bytes,
            int threads,
            int repeats,
            @Nullable Double idleMemory,
            List<LoadBenchmark.Line> lines)
            implements Report {
        @Override
        public String tables(Function<Table, String> style) {
            Table table = new Table(
                    "page cache",
                    "plain GB/s",
                    "verified GB/s",
                    "of plain %",
                    "of disk %",
                    "loaded s",
                    "loaded GB/s",
                    "of disk %",
                    "peak MiB",
                    "peak - file MiB");
            double disk = lines.getLast().plain().median();
            double mebibytes = bytes / (double) (1 << 20);
            for (LoadBenchmark.Line line : lines) {
                double loaded = bytes / line.loaded().median() / 1e9;
                table.row(
                        line.cache().name().toLowerCase(Locale.ROOT),
                        median(line.plain()),
                        median(line.verified()),
                        Table.number(100 * line.ofPlain().median(), 0),
                        Table.number(100 * line.verified().median() / disk, 0),
                        median(line.loaded()),
                        Table.number(loaded, 2),
                        Table.number(100 * loaded / disk, 0),
                        Table.number(line.peakMebibytes(), 0),
                        Table.number(line.peakMebibytes() - mebibytes, 0));
            }
            return String.format(
                    Locale.ROOT,
                    "%s, %.0f MiB, on %s, %d processors, %s, Java %s, %d reading threads, memory %s, medians of %d loads ± standard deviation%n%n%s",
                    model,
                    mebibytes,
                    machine.processor(),
                    machine.processors(),
                    machine.system(),
                    machine.java(),
                    threads,
                    idleMemory == null ? "used before" : "idle for " + Table.number(idleMemory, 1) + " s before",
                    repeats,
                    style.apply(table));
        }

        private static String median(Summary summary) {
            return Table.number(summary.median(), 2) + " ± " + Table.number(summary.deviation(), 2);
        }
    }
}
