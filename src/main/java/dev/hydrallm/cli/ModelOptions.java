package dev.hydrallm.cli;

import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.engine.EngineOptions;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Which model to run, and on what. */
final class ModelOptions {
    @Option(
            names = "--model",
            paramLabel = "PATH|ORG/NAME",
            description =
                    "A packed model, or a checkpoint's or draft heads' directory or a GGUF file, which is packed into"
                            + " the cache on first use; or a Hugging Face hub's repository, ORG/NAME or ORG/NAME@REVISION. Default:"
                            + " the demo model.")
    @Nullable
    Path model;

    @Option(
            names = "--base-model",
            paramLabel = "PATH|ORG/NAME",
            description = "The base of draft heads (a directory or a GGUF file), instead of the one their config.json"
                    + " names.")
    @Nullable
    Path baseModel;

    @Mixin
    WeightBits bits = new WeightBits();

    @Option(
            names = "--context",
            paramLabel = "TOKENS",
            description = "Most tokens of prompt and answer. Default: all the model was made for.")
    int context;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "CPU threads. Default: all this process may use; on libtorch one for a small model.")
    int threads;

    @Option(
            names = "--engine",
            paramLabel = "KIND",
            description =
                    "kernels: Hydra's own, for 8 and 4 bits on a processor. torch: libtorch's operators. auto: libtorch on a"
                            + " GPU, else the kernels where they can run the model. Default: auto.")
    EngineOptions.Kind engine = EngineOptions.Kind.AUTO;

    @Mixin
    DeviceOptions on = new DeviceOptions();

    @Option(
            names = "--tree",
            paramLabel = "FILE|NAME",
            description = "Draft tree: a JSON list of paths, or mc_sim_7b_63, mc_sim_7b_63_depth3. Default: the"
                    + " model's.")
    @Nullable
    String tree;

    @Option(
            names = "--speculation",
            paramLabel = "EXTENT",
            description =
                    "adaptive: at each step what pays, down to nothing: what followed where the text's end stood in it before, or"
                            + " those of the tree's nodes that the heads are sure enough of. heads: the latter alone. whole: the"
                            + " whole tree, always. The text is the same. Default: adaptive, but whole with --tree.")
    Speculation.@Nullable Extent speculation;

    @Option(names = "--no-speculation", description = "Decode one token a step, without drafting.")
    boolean noSpeculation;

    @Mixin
    LoadingOptions load = new LoadingOptions();

    @Spec(Spec.Target.MIXEE)
    @Nullable
    CommandSpec command;

    /** Where the variables of a hub come from. */
    EnvironmentDefaults.Environment environment() {
        return command == null ? System::getenv : Cli.environment(command);
    }
}
