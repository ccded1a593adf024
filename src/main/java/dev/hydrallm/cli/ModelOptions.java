package dev.hydrallm.cli;

import dev.hydrallm.decoding.Speculation;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which model to run, and on what. */
final class ModelOptions {
    @Option(
            names = "--model",
            paramLabel = "DIR|FILE",
            description =
                    "A packed model, or a checkpoint's or draft heads' directory or a GGUF file, which is packed into"
                            + " the cache on first use. Default: the demo model.")
    @Nullable
    Path model;

    @Option(
            names = "--base-model",
            paramLabel = "DIR|FILE",
            description = "The base of draft heads (a directory or a GGUF file), instead of the one their config.json"
                    + " names.")
    @Nullable
    Path baseModel;

    @Option(names = "--load-in-8bit", description = "Pack a checkpoint's weights as int8.")
    boolean loadIn8bit;

    @Option(names = "--load-in-4bit", description = "Not yet: a later version packs 4-bit weights.")
    boolean loadIn4bit;

    @Option(
            names = "--context",
            paramLabel = "TOKENS",
            description = "Most tokens of prompt and answer. Default: all the model was made for.")
    int context;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "CPU threads. Default: one for a small model, else all this process may use.")
    int threads;

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
                    "adaptive: at each step as many of the tree's nodes as pay, down to none; the text is the same."
                            + " whole: always all of them. Default: adaptive with the model's own tree, whole with --tree and"
                            + " for a model without one.")
    Speculation.@Nullable Extent speculation;

    @Option(names = "--no-speculation", description = "Decode one token a step, without drafting.")
    boolean noSpeculation;
}
