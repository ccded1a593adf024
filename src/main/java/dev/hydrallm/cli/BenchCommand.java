package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.evaluation.ComparisonBenchmark;
import dev.hydrallm.evaluation.ContentionBenchmark;
import dev.hydrallm.evaluation.Machine;
import dev.hydrallm.evaluation.SoakBenchmark;
import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.evaluation.StepBenchmark;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "bench",
        sortOptions = false,
        subcommands = {ColdStartCommand.class, LoadCommand.class, ShapeCommand.class},
        description = "Measures a model on this machine: ms per step against nodes, tokens/s with and without"
                + " speculation.",
        footer = {
            "",
            "Example:  hydra bench --threads 1 --format markdown",
            "          hydra bench --temperature 0.7",
            "          hydra bench --soak 10000    (memory over many steps)",
            "          hydra bench --contention    (threads, and a busy neighbour)",
            "          hydra bench coldstart       (every phase of the server's start)",
            "          hydra bench shape --preset 7b    (random weights of any shape)",
            "          hydra bench load            (how fast weights are read, verified and made into an engine)"
        })
final class BenchCommand implements Callable<Integer> {
    private static final long SEED = 7;
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
            names = "--temperature",
            paramLabel = "T",
            defaultValue = "0",
            description = "Of whole generations, sampled with the same seed each time; 0 is greedy. Default:"
                    + " ${DEFAULT-VALUE}.")
    double temperature;

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
            names = "--contention",
            description = "Instead, measure one thread and all threads, alone and beside another busy process.")
    boolean contention;

    @Option(
            names = "--compare",
            paramLabel = "DIR",
            description = "Instead, measure steps in turns with this other model.")
    @Nullable
    Path compare;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @Override
    public Integer call() throws IOException {
        if ((soak == null ? 0 : 1) + (contention ? 1 : 0) + (compare == null ? 0 : 1) > 1) {
            throw new IllegalArgumentException("--soak, --contention and --compare exclude each other");
        }
        if (tokens < 1 || repeats < 1 || steps < 4) {
            throw new IllegalArgumentException("--tokens and --repeats must be at least 1, --steps at least 4");
        }
        rule(); // refuses a temperature before the model is loaded
        try (PackedModel pack = Models.open(modelOptions);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack)) {
            Speculation usual = Models.drafting(pack, modelOptions);
            printed.print(measure(pack, usual, prompts(promptFiles, tokenizer)));
        }
        return 0;
    }

    /** The tokens of some files, or of beginnings of Python files where there are none. */
    static List<int[]> prompts(List<Path> files, Tokenizer tokenizer) throws IOException {
        List<int[]> prompts = new ArrayList<>();
        for (Path file : files) {
            prompts.add(tokenizer.encode(Texts.read(file)));
        }
        if (prompts.isEmpty()) {
            PROMPTS.forEach(prompt -> prompts.add(tokenizer.encode(prompt)));
        }
        return prompts;
    }

    private BenchReport measure(PackedModel pack, Speculation usual, List<int[]> prompts) {
        if (contention) {
            return contention(pack, usual, prompts);
        }
        if (compare != null) {
            return comparison(pack, usual.tree(), compare);
        }
        try (Engine engine = Models.engine(pack, modelOptions, 1)) {
            return soak == null
                    ? measure(pack, engine, usual.tree(), prompts)
                    : report(pack).withSoak(SoakBenchmark.run(engine, usual, prompts, soak));
        }
    }

    private BenchReport measure(PackedModel pack, Engine engine, DraftTree tree, List<int[]> prompts) {
        DraftTree widest = widest(pack, tree);
        List<DraftTree> trees = new ArrayList<>(SpeedBenchmark.prefixes(widest, 2, 4, 6, 8, 12, 16, 64));
        if (!trees.contains(tree)) {
            trees.addFirst(tree);
        }
        List<Speculation> ways = new ArrayList<>(List.of(Speculation.adaptive(tree)));
        trees.stream().filter(each -> each.depth() > 0).forEach(each -> ways.add(Speculation.whole(each)));
        return report(pack)
                .on(Models.gpuFigures(pack, modelOptions).orElse(null))
                .withSteps(
                        new StepBenchmark(engine, StepBenchmark.usualContext(engine), steps).run(widest, NODE_COUNTS))
                .withSpeed(temperature, new SpeedBenchmark(engine, prompts, rule(), tokens, repeats).run(ways));
    }

    private BenchReport contention(PackedModel pack, Speculation usual, List<int[]> prompts) {
        int all = Runtime.getRuntime().availableProcessors();
        List<Integer> threadCounts = all == 1 ? List.of(1) : List.of(1, all);
        Progress progress = new Progress("Measuring");
        ContentionBenchmark benchmark =
                new ContentionBenchmark(threads -> engine(pack, threads), prompts, usual, tokens, repeats);
        return report(pack)
                .withContention(benchmark.run(
                        steps, threadCounts, done -> progress.count(done, 2 * threadCounts.size(), "conditions")));
    }

    private BenchReport comparison(PackedModel pack, DraftTree tree, Path directory) {
        ModelOptions otherOptions = new ModelOptions();
        otherOptions.model = directory;
        otherOptions.on = modelOptions.on;
        try (PackedModel other = Models.open(otherOptions);
                Engine first = engine(pack, modelOptions.threads);
                Engine second = engine(other, modelOptions.threads)) {
            return report(pack)
                    .withComparison(
                            other.manifest().name(),
                            ComparisonBenchmark.run(first, second, widest(pack, tree), steps, NODE_COUNTS));
        }
    }

    private AcceptanceRule rule() {
        return temperature == 0 ? new AcceptanceRule.Greedy() : new AcceptanceRule.Sampled(temperature, 0, 1, 0, SEED);
    }

    /** A pack's own tree is small, fit for one kind of machine; here larger ones are of interest too. */
    private DraftTree widest(PackedModel pack, DraftTree tree) {
        List<List<Integer>> paths = NamedTrees.defaultFor(pack.draft().heads());
        return modelOptions.tree == null ? TextModel.treeOf(pack, Optional.of(paths)) : tree;
    }

    private Engine engine(PackedModel pack, int threads) {
        ModelOptions options = new ModelOptions();
        options.context = modelOptions.context;
        options.threads = threads;
        options.on = modelOptions.on;
        return Models.engine(pack, options, 1);
    }

    private BenchReport report(PackedModel pack) {
        return BenchReport.of(Machine.here(), pack.manifest().name(), Models.threads(pack, modelOptions));
    }
}
