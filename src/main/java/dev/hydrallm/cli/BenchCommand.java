package dev.hydrallm.cli;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.evaluation.Machine;
import dev.hydrallm.evaluation.SoakBenchmark;
import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.evaluation.StepBenchmark;
import dev.hydrallm.evaluation.Summary;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "bench",
        sortOptions = false,
        description = "Measures a model on this machine: ms per step against nodes, tokens/s with and without"
                + " speculation.",
        footer = {
            "",
            "Example:  hydra bench --threads 1 --format markdown",
            "          hydra bench --soak 10000    (memory over many steps)"
        })
final class BenchCommand implements Callable<Integer> {
    /** How results are printed. */
    enum Format {
        TABLE,
        MARKDOWN,
        JSON
    }

    /** Everything that was measured. */
    record Report(
            Machine machine,
            String model,
            int threads,
            List<StepBenchmark.Line> steps,
            List<SpeedBenchmark.Line> speed,
            List<SoakBenchmark.Line> soak) {}

    private static final int[] NODE_COUNTS = {1, 2, 4, 8, 16, 32, 64};

    /** Beginnings of Python files, for the demo model; others are given with --prompt-file. */
    private static final List<String> PROMPTS = List.of(
            "def fibonacci(n):\n    ",
            "import os\nimport sys\n\n\nclass Config:\n    def __init__(self, path):\n        ",
            "def test_parse_empty():\n    ",
            "import numpy as np\n\n\ndef normalize(x, axis=0):\n    \"\"\"",
            "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n");

    @Option(
            names = "--prompt-file",
            paramLabel = "FILE",
            description = "A prompt; may be given several times. Default:" + " five beginnings of Python files.")
    List<Path> promptFiles = new ArrayList<>();

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "128",
            description = "Generated for each prompt." + " Default: ${DEFAULT-VALUE}.")
    int tokens;

    @Option(
            names = "--repeats",
            paramLabel = "N",
            defaultValue = "5",
            description = "Of whole generations. Default:" + " ${DEFAULT-VALUE}.")
    int repeats;

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "200",
            description = "Measured steps for each number of" + " nodes. Default: ${DEFAULT-VALUE}.")
    int steps;

    @Option(names = "--soak", paramLabel = "STEPS", description = "Instead, run so many steps and watch the memory.")
    @Nullable
    Integer soak;

    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            defaultValue = "table",
            description = "table, markdown or json." + " Default: ${DEFAULT-VALUE}.")
    Format format = Format.TABLE;

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    @Override
    public Integer call() throws IOException {
        if (tokens < 1 || repeats < 1 || steps < 4) {
            throw new IllegalArgumentException("--tokens and --repeats must be at least 1, --steps at least 4");
        }
        try (PackedModel pack = Models.open(modelOptions);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack);
                Engine engine = Models.engine(pack, modelOptions, 1)) {
            DraftTree tree = TextModel.treeOf(pack, Models.tree(modelOptions));
            List<int[]> prompts = new ArrayList<>();
            for (Path file : promptFiles) {
                prompts.add(tokenizer.encode(Texts.read(file)));
            }
            if (prompts.isEmpty()) {
                PROMPTS.forEach(prompt -> prompts.add(tokenizer.encode(prompt)));
            }
            Report report =
                    soak == null ? measure(pack, engine, tree, prompts) : soak(pack, engine, tree, prompts, soak);
            print(report);
        }
        return 0;
    }

    private Report measure(PackedModel pack, Engine engine, DraftTree tree, List<int[]> prompts) {
        int context = Math.min(200, engine.limits().contextLength() / 2);
        // A pack's own tree is small, fit for one kind of machine; here larger ones are of interest too.
        List<List<Integer>> paths = NamedTrees.defaultFor(pack.draft().heads());
        DraftTree widest = modelOptions.tree == null ? TextModel.treeOf(pack, Optional.of(paths)) : tree;
        return new Report(
                Machine.here(),
                pack.manifest().name(),
                Models.threads(modelOptions),
                new StepBenchmark(engine, context, steps).run(widest, NODE_COUNTS),
                new SpeedBenchmark(engine, prompts, tokens, repeats)
                        .run(SpeedBenchmark.prefixes(widest, 2, 4, 8, 16, 64)),
                List.of());
    }

    private Report soak(PackedModel pack, Engine engine, DraftTree tree, List<int[]> prompts, int steps) {
        return new Report(
                Machine.here(),
                pack.manifest().name(),
                Models.threads(modelOptions),
                List.of(),
                List.of(),
                SoakBenchmark.run(engine, tree, prompts, steps));
    }

    private void print(Report report) throws IOException {
        if (format == Format.JSON) {
            out.println(JsonMapper.builder()
                    .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                    .build()
                    .writeValueAsString(report));
        } else {
            Machine machine = report.machine();
            out.printf(
                    "%s on %s, %d processors, %d thread(s), %s, Java %s%n%n",
                    report.model(),
                    machine.processor(),
                    machine.processors(),
                    report.threads(),
                    machine.system(),
                    machine.java());
            print(report.steps().isEmpty(), stepTable(report));
            print(report.speed().isEmpty(), speedTable(report));
            print(report.soak().isEmpty(), soakTable(report));
        }
        out.flush();
    }

    private void print(boolean empty, Table table) {
        if (!empty) {
            out.println(format == Format.MARKDOWN ? table.markdown() : table.text());
        }
    }

    private static Table stepTable(Report report) {
        Table table = new Table("nodes", "verify ms", "draft ms", "step ms", "median", "overhead %");
        report.steps()
                .forEach(line -> table.row(
                        String.valueOf(line.nodes()),
                        spread(line.verify(), 2),
                        spread(line.draft(), 2),
                        spread(line.step(), 2),
                        number(line.step().median(), 2),
                        number(100 * line.overhead(), 1)));
        return table;
    }

    private static Table speedTable(Report report) {
        Table table = new Table("tree nodes", "tokens/s", "ratio to plain", "tokens/step", "overhead %");
        report.speed()
                .forEach(line -> table.row(
                        line.nodes() == 1 ? "1 (plain)" : String.valueOf(line.nodes()),
                        spread(line.tokensPerSecond(), 0),
                        spread(line.ratio(), 2),
                        number(line.tokensPerStep(), 2),
                        number(100 * line.overhead(), 1)));
        return table;
    }

    private static Table soakTable(Report report) {
        Table table = new Table("steps", "resident MiB");
        report.soak().forEach(line -> table.row(String.valueOf(line.steps()), number(line.residentMebibytes(), 1)));
        return table;
    }

    private static String spread(Summary summary, int digits) {
        return number(summary.mean(), digits) + " ± " + number(summary.deviation(), digits);
    }

    private static String number(double value, int digits) {
        return String.format(Locale.ROOT, "%." + digits + "f", value);
    }
}
