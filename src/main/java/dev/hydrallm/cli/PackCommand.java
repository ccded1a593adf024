package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.checkpoint.Packer;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.NamedTrees;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "pack",
        sortOptions = false,
        description = "Makes a packed model, which loads fast, of a checkpoint or of draft heads and their base.",
        footer = {"", "Example:  hydra pack --model heads/ --base-model base/ --quantize int8 --output packed/"})
final class PackCommand implements Callable<Integer> {
    @Option(
            names = "--model",
            paramLabel = "DIR|ORG/NAME",
            required = true,
            description =
                    "A directory, or a hub's repository, of a model (model.safetensors, pytorch_model.bin …) or of draft heads (medusa_lm_head.pt …).")
    Path model = Path.of("");

    @Option(
            names = "--base-model",
            paramLabel = "DIR|ORG/NAME",
            description = "The base of draft heads, instead of the one their config.json names.")
    @Nullable
    Path baseModel;

    @Mixin
    QuantizationOptions quantization = new QuantizationOptions();

    @Option(names = "--tree", paramLabel = "FILE|NAME", description = "The draft tree that the pack shall bring along.")
    @Nullable
    String tree;

    @Option(names = "--name", paramLabel = "NAME", description = "The model's name in APIs. Default: the folder's.")
    @Nullable
    String name;

    @Option(names = "--output", paramLabel = "DIR", required = true, description = "Where the packed model goes.")
    Path output = Path.of("");

    @Spec
    CommandSpec command = CommandSpec.create();

    @Override
    public Integer call() throws IOException {
        Packer.Options options = new Packer.Options(
                quantization.quantization(),
                Optional.ofNullable(tree).map(NamedTrees::byNameOrFile),
                Optional.ofNullable(name));
        HubModels models = new HubModels(Cli.environment(command));
        Path directory = models.model(model);
        try (Checkpoint checkpoint = Checkpoint.open(
                directory,
                models.base(directory, baseModel),
                warning -> System.err.println("hydra: warning: " + warning))) {
            Packer.pack(checkpoint, options, output, Packing.progress());
        }
        System.err.printf(
                Locale.ROOT,
                "Packed into %s: %.1f MB of weights.%n",
                output,
                Files.size(output.resolve(Manifest.WEIGHTS_FILE)) / 1e6);
        return 0;
    }
}
