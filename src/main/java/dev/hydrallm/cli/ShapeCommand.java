package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.RandomModel;
import dev.hydrallm.checkpoint.ScratchFolder;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.evaluation.Machine;
import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.evaluation.StepBenchmark;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "shape",
        sortOptions = false,
        description = "Measures a model of random weights, of any shape, which takes no checkpoint: ms per step against"
                + " nodes, and tokens/s without speculation.",
        footer = {
            "",
            "The weights stand in a file of Java's folder for temporary files while they are measured.",
            "",
            "Example:  hydra bench shape --preset 7b --nodes 1,8",
            "          hydra bench shape --layers 24 --hidden 1024 --heads 16 --kv-heads 4 --intermediate 2816",
            "          hydra bench shape --preset 1b --quantize int4 --save packs/1b"
        })
final class ShapeCommand implements Callable<Integer> {
    /** Tokens before those that are generated. */
    private static final int PROMPT = 16;

    @Mixin
    ShapeOptions shape = new ShapeOptions();

    @Option(
            names = "--nodes",
            paramLabel = "N,…",
            split = ",",
            defaultValue = "1,2,4,8,16,32,64",
            description = "Nodes of a step. Default: ${DEFAULT-VALUE}.")
    int[] nodes = {1};

    @Option(
            names = "--steps",
            paramLabel = "N",
            defaultValue = "20",
            description = "Measured steps for each number of nodes. Default: ${DEFAULT-VALUE}.")
    int steps;

    @Option(
            names = "--committed",
            paramLabel = "TOKENS",
            description = "Tokens before the measured steps. Default: 200, or half of a smaller context.")
    @Nullable
    Integer committed;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "32",
            description = "Generated without speculation in each repeat. Default: ${DEFAULT-VALUE}.")
    int tokens;

    @Option(
            names = "--repeats",
            paramLabel = "N",
            defaultValue = "5",
            description = "Of the generation. Default: ${DEFAULT-VALUE}.")
    int repeats;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "CPU threads. Default: one for a small model, else all this process may use.")
    int threads;

    @Mixin
    DeviceOptions on = new DeviceOptions();

    @Option(
            names = "--save",
            paramLabel = "DIR",
            description = "Instead, write the packed model there, for --model of other commands.")
    @Nullable
    Path save;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Override
    public Integer call() throws IOException {
        if (tokens < 1 || repeats < 1 || steps < 4) {
            throw new IllegalArgumentException("--tokens and --repeats must be at least 1, --steps at least 4");
        }
        if (committed != null && (committed < 1 || committed >= shape.context)) {
            throw new IllegalArgumentException(
                    "--committed must be from 1 on and below --context " + shape.context + ", not " + committed);
        }
        if (nodes.length == 0 || Arrays.stream(nodes).anyMatch(count -> count < 1)) {
            throw new IllegalArgumentException("--nodes must be numbers from 1 on, as in 1,8");
        }
        RandomModel model = shape.model();
        if (save != null) {
            requireDisk(model, existing(save.toAbsolutePath().normalize()), "save it elsewhere");
            model.write(save, Packing.progress());
            System.err.printf(Locale.ROOT, "Written into %s: %s of weights.%n", save, gigabytes(model.bytes()));
            return 0;
        }
        requireMemory(model);
        Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
        requireDisk(model, temporary, "name another folder with HYDRA_JAVA_OPTS=-Djava.io.tmpdir=DIR");
        try (ScratchFolder folder = ScratchFolder.create(temporary.resolve("hydra-shape-" + UUID.randomUUID()))) {
            Path packed = folder.path().resolve("pack");
            model.write(packed, Packing.progress());
            printed.print(measure(packed));
        }
        return 0;
    }

    private BenchReport measure(Path packed) {
        ModelOptions options = new ModelOptions();
        options.threads = threads;
        options.on = on;
        try (PackedModel pack = PackedModel.open(packed);
                Engine engine = Models.engine(pack, options, 1)) {
            DraftTree tree = TextModel.treeOf(pack, Optional.empty());
            int context = pack.architecture().contextLength();
            int[] prompt = IntStream.range(0, Math.min(PROMPT, context / 2))
                    .map(i -> i % pack.architecture().vocabSize())
                    .toArray();
            SpeedBenchmark speed =
                    new SpeedBenchmark(engine, List.of(prompt), new AcceptanceRule.Greedy(), tokens, repeats);
            return BenchReport.of(Machine.here(), Models.label(pack), Models.threads(pack, options))
                    .on(Models.gpuFigures(pack, options).orElse(null))
                    .withSteps(new StepBenchmark(engine, committed(engine), steps).run(tree, nodes))
                    .withSpeed(0, speed.run(List.of()));
        }
    }

    private int committed(Engine engine) {
        return committed == null ? StepBenchmark.usualContext(engine) : committed;
    }

    /** The weights, and the keys and values of a whole context, stand in memory at once; what else is needed is far less. */
    private void requireMemory(RandomModel model) {
        Architecture architecture = model.architecture();
        long layers = (long) architecture.layers() + model.draft().forkedLayers();
        long cache = layers * 2 * architecture.kvHeads() * architecture.headDim() * shape.context * Float.BYTES;
        long needed = model.bytes() + cache;
        long there = Machine.availableMemory();
        if (needed > there) {
            throw new IllegalArgumentException(
                    "the weights (%s) and a KV cache of %,d tokens (%s) need at least %s of memory, and %s are available: take a"
                                    .formatted(
                                            gigabytes(model.bytes()),
                                            shape.context,
                                            gigabytes(cache),
                                            gigabytes(needed),
                                            gigabytes(there))
                            + " smaller shape, fewer bits or a shorter --context; --save writes it without measuring");
        }
    }

    private static void requireDisk(RandomModel model, Path folder, String remedy) throws IOException {
        long there = Files.getFileStore(folder).getUsableSpace();
        if (model.bytes() > there) {
            throw new IllegalArgumentException("the weights need %s, and %s has room for %s: %s"
                    .formatted(gigabytes(model.bytes()), folder, gigabytes(there), remedy));
        }
    }

    /** The nearest folder that is there. */
    private static Path existing(Path path) {
        Path folder = path;
        while (!Files.isDirectory(folder) && folder.getParent() != null) {
            folder = folder.getParent();
        }
        return folder;
    }

    private static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%,.2f GB", bytes / 1e9);
    }
}
