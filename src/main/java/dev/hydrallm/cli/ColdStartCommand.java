package dev.hydrallm.cli;

import dev.hydrallm.engine.torch.TorchNatives;
import dev.hydrallm.evaluation.ColdStartBenchmark;
import dev.hydrallm.evaluation.ColdStartBenchmark.Files;
import dev.hydrallm.evaluation.Machine;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
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
        name = "coldstart",
        sortOptions = false,
        description =
                "Starts the server again and again and measures every phase, from the process's first moment to its"
                        + " first token.",
        footer = {
            "",
            "jvm, door (the port answers 503), http (Quarkus listens) and ready count from the process's start; natives,",
            "read, convert and self_test are what they took, partly beside each other. answer, probe and token are seen",
            "from outside. With cold files the page cache first forgets the model, the program, Java and libtorch.",
            "",
            "Example:  hydra bench coldstart --starts 20 --files cold"
        })
final class ColdStartCommand implements Callable<Integer> {
    @Option(
            names = "--model",
            paramLabel = "DIR",
            description = "A packed model or a checkpoint's directory. Default: the demo model.")
    @Nullable
    Path model;

    @Option(names = "--starts", paramLabel = "N", defaultValue = "7", description = "Default: ${DEFAULT-VALUE}.")
    int starts;

    @Option(
            names = "--files",
            paramLabel = "CACHE",
            description = "warm: the page cache as it is. cold: emptied of what is read. Default: both.")
    @Nullable
    Files files;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Override
    public Integer call() throws IOException {
        if (starts < 1) {
            throw new IllegalArgumentException("--starts must be at least 1");
        }
        Path served = model == null ? Models.demo() : model;
        ColdStartBenchmark benchmark = new ColdStartBenchmark(command(served), places(served));
        List<Files> kinds = files == null ? List.of(Files.WARM, Files.COLD) : List.of(files);
        Progress progress = new Progress("Starting");
        List<ColdStartBenchmark.Line> lines = new ArrayList<>();
        for (Files kind : kinds) {
            int before = kinds.indexOf(kind) * starts;
            lines.addAll(benchmark.run(
                    kind, starts, done -> progress.count(before + done, kinds.size() * starts, "starts")));
        }
        printed.print(new Starts(Machine.here(), served.toString(), starts, lines));
        return 0;
    }

    /** The result. */
    private record Starts(Machine machine, String model, int starts, List<ColdStartBenchmark.Line> phases)
            implements Report {
        @Override
        public String tables(Function<Table, String> style) {
            Table table = new Table("files", "phase", "ms", "median", "least");
            phases.forEach(line -> table.row(
                    line.files().name().toLowerCase(Locale.ROOT),
                    line.phase(),
                    BenchReport.spread(line.time(), 0),
                    Table.number(line.time().median(), 0),
                    Table.number(line.time().least(), 0)));
            return String.format(
                    "%s on %s, %d processors, %s, Java %s, %d starts each%n%n%s",
                    model,
                    machine.processor(),
                    machine.processors(),
                    machine.system(),
                    machine.java(),
                    starts,
                    style.apply(table));
        }
    }

    /** This program as it runs now, serving. */
    private static List<String> command(Path model) {
        List<String> words = new ArrayList<>();
        words.add(ProcessHandle.current().info().command().orElse("java"));
        words.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        words.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        words.addAll(List.of("serve", "--model", model.toString()));
        return words;
    }

    /** What a start reads. */
    private static List<Path> places(Path model) {
        List<Path> places = new ArrayList<>(List.of(model, Path.of(System.getProperty("java.home"), "lib")));
        // The jar names others, which lie in folders beside it.
        Path program = Path.of(System.getProperty("java.class.path")).toAbsolutePath();
        places.add(program.endsWith("quarkus-run.jar") ? program.getParent() : program);
        places.add(TorchNatives.folder());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(word -> word.startsWith("-XX:AOTCache="))
                .map(word -> Path.of(word.substring(word.indexOf('=') + 1)))
                .forEach(places::add);
        return places.stream().filter(java.nio.file.Files::exists).toList();
    }
}
