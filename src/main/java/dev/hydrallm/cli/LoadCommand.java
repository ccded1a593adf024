package dev.hydrallm.cli;

import dev.hydrallm.evaluation.LoadBenchmark;
import dev.hydrallm.evaluation.LoadBenchmark.Cache;
import dev.hydrallm.evaluation.LoadBenchmark.FreeMemory;
import dev.hydrallm.evaluation.Machine;
import dev.hydrallm.evaluation.Summary;
import dev.hydrallm.model.PackedModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;
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
            "peak: the process's memory meanwhile. Before a cold turn the page cache forgets the file.",
            "",
            "Example:  hydra bench load --model packed/ --repeats 7 --load-threads 4"
        })
final class LoadCommand implements Callable<Integer> {
    @Option(names = "--repeats", paramLabel = "N", defaultValue = "5", description = "Default: ${DEFAULT-VALUE}.")
    int repeats;

    @Option(
            names = "--touch-memory",
            description =
                    "Use and free the memory of each turn before it: the host of a virtual machine takes unused pages"
                            + " back, and giving them again may take longer than the load.")
    boolean touchMemory;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @Override
    public Integer call() throws IOException {
        if (repeats < 1) {
            throw new IllegalArgumentException("--repeats must be at least 1");
        }
        String label;
        Path directory;
        try (PackedModel pack = Models.check(modelOptions)) {
            label = Models.label(pack);
            directory = pack.directory();
            Models.loadNatives(pack, modelOptions);
        }
        LoadBenchmark benchmark = new LoadBenchmark(
                directory,
                modelOptions.load.options(),
                touchMemory ? FreeMemory.TOUCHED : FreeMemory.AS_IS,
                pack -> Models.engine(pack, modelOptions, 1));
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
                lines));
        return 0;
    }

    /** The result. */
    private record Loads(
            Machine machine, String model, long bytes, int threads, int repeats, List<LoadBenchmark.Line> lines)
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
                    "%s, %.0f MiB, on %s, %d processors, %s, Java %s, %d reading threads, medians of %d loads ± standard deviation%n%n%s",
                    model,
                    mebibytes,
                    machine.processor(),
                    machine.processors(),
                    machine.system(),
                    machine.java(),
                    threads,
                    repeats,
                    style.apply(table));
        }

        private static String median(Summary summary) {
            return Table.number(summary.median(), 2) + " ± " + Table.number(summary.deviation(), 2);
        }
    }
}
