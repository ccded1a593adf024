package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.GpuFigures;
import dev.hydrallm.engine.ModelDraftReader;
import dev.hydrallm.engine.ModelEngine;
import dev.hydrallm.engine.ModelScorer;
import dev.hydrallm.engine.Programs;
import dev.hydrallm.engine.torch.TorchNatives;
import dev.hydrallm.evaluation.DraftReader;
import dev.hydrallm.evaluation.Scorer;
import dev.hydrallm.model.LoadOptions;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.serving.StartPhases;
import dev.hydrallm.serving.TextModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Opens the model that a command line or a server's configuration names. */
final class Models {
    private Models() {}

    /** Loads the model of a command, with progress on stderr; what its requests draft, {@link #speculation} says. */
    static TextModel load(ModelOptions options) {
        return load(options, 1, 1, pack -> drafting(pack, options));
    }

    /**
     * Loads a model whose requests draft as the options say.
     *
     * @param slots sequences that can run at once
     * @param queueLength requests that may wait for one
     */
    static TextModel load(ModelOptions options, int slots, int queueLength) {
        return load(
                options,
                slots,
                queueLength,
                pack -> options.noSpeculation ? Speculation.NONE : drafting(pack, options));
    }

    private static TextModel load(
            ModelOptions options, int slots, int queueLength, Function<PackedModel, Speculation> drafting) {
        PackedModel pack = StartPhases.ofProcess().during("read", () -> open(options));
        Speculation speculation;
        try {
            speculation = drafting.apply(pack);
        } catch (RuntimeException e) {
            pack.close();
            throw e;
        }
        return TextModel.load(pack, speculation, opened -> engine(opened, options, slots), queueLength);
    }

    /** What the options say of drafting, {@code --no-speculation} aside. */
    static Speculation drafting(PackedModel pack, ModelOptions options) {
        return TextModel.speculationOf(pack, tree(options), Optional.ofNullable(options.speculation));
    }

    /** Makes the engine of a pack, on the calling thread, which will own it. */
    static Engine engine(PackedModel pack, ModelOptions options, int slots) {
        loadNatives(pack, options);
        return StartPhases.ofProcess()
                .during(
                        "convert",
                        () -> ModelEngine.load(pack, engineOptions(options).withSlots(slots)));
    }

    /** Loads libtorch, once, if a model runs on it. */
    static void loadNatives(PackedModel pack, ModelOptions options) {
        if (Programs.kind(pack, engineOptions(options)) == EngineOptions.Kind.TORCH) {
            StartPhases.ofProcess().during("natives", () -> TorchNatives.load(Progress.ofNatives()));
        }
    }

    /**
     * Makes a scorer of text, on the calling thread, which will own it.
     *
     * @param window most tokens of a window
     */
    static Scorer scorer(PackedModel pack, ModelOptions options, int window) {
        loadNatives(pack, options);
        return ModelScorer.load(pack, engineOptions(options).withContextLength(window));
    }

    /**
     * Makes a reader of text by base and draft heads, on the calling thread, which will own it.
     *
     * @param window most tokens of a window
     */
    static DraftReader draftReader(PackedModel pack, ModelOptions options, int window) {
        loadNatives(pack, options);
        return ModelDraftReader.load(pack, engineOptions(options).withContextLength(window));
    }

    /** The most tokens of a sequence. */
    static int context(PackedModel pack, ModelOptions options) {
        return ModelEngine.contextLength(pack, engineOptions(options));
    }

    /** Its name, and the format of most of its weights, which the name need not tell. */
    static String label(PackedModel pack) {
        WeightFormat format = pack.manifest().quantization().get(TensorGroup.LAYERS);
        return pack.manifest().name() + " " + String.valueOf(format).toLowerCase(Locale.ROOT);
    }

    /** The threads that the engine of a pack runs on. */
    static int threads(PackedModel pack, ModelOptions options) {
        return Programs.threads(pack, engineOptions(options));
    }

    /** What a loaded model's steps are held against on a GPU. */
    static Optional<GpuFigures> gpuFigures(PackedModel pack, ModelOptions options) {
        return Programs.gpuFigures(pack, engineOptions(options));
    }

    private static EngineOptions engineOptions(ModelOptions options) {
        return options.on.applyTo(EngineOptions.DEFAULT
                .withContextLength(options.context)
                .withThreads(options.threads)
                .on(options.engine));
    }

    /**
     * Opens the pack that the options name, packing a checkpoint into the cache first. Its weights are read while it is used: who
     * makes an engine of it makes it of verified ones.
     */
    static PackedModel open(ModelOptions options) {
        return open(options, PackedModel::openAhead);
    }

    /**
     * The same, of a model that has draft heads.
     *
     * @throws IllegalArgumentException if it has none
     */
    static PackedModel openWithHeads(ModelOptions options) {
        PackedModel pack = open(options);
        try {
            ModelDraftReader.checkHeads(pack);
            return pack;
        } catch (IllegalArgumentException e) {
            pack.close();
            throw e;
        }
    }

    /** As {@link #open}, with every byte verified before this returns, and no weights kept in memory. */
    static PackedModel check(ModelOptions options) {
        return open(options, PackedModel::check);
    }

    private static PackedModel open(ModelOptions options, BiFunction<Path, LoadOptions, PackedModel> opener) {
        LoadOptions load = options.load.options();
        Quantization quantization = options.bits.quantization();
        HubModels models = new HubModels(options.environment());
        Path directory = options.model == null ? demo() : models.model(options.model);
        if (PackedModel.isPack(directory)) {
            if (!quantization.equals(Quantization.NONE) || options.baseModel != null) {
                throw new IllegalArgumentException(directory
                        + " is packed already; --load-in-8bit, --load-in-4bit and --base-model are for checkpoints");
            }
            return opener.apply(directory, load);
        }
        return Packing.cached(directory, models.base(directory, options.baseModel), quantization, load);
    }

    /** The explicit tree of the options: a name, else a file. */
    static Optional<List<List<Integer>>> tree(ModelOptions options) {
        return Optional.ofNullable(options.tree).map(NamedTrees::byNameOrFile);
    }

    /** What a command's requests draft. */
    static Speculation speculation(TextModel model, ModelOptions options) {
        return options.noSpeculation ? Speculation.NONE : model.speculation();
    }

    /** The model that is part of the program. */
    static Path demo() {
        for (@Nullable
        String home : new String[] {System.getProperty("hydra.home"), System.getenv("HYDRA_HOME"), "."}) {
            if (home != null && PackedModel.isPack(Path.of(home, "models", "demo"))) {
                return Path.of(home, "models", "demo");
            }
        }
        throw new IllegalStateException("the demo model is not where the program was installed; give one with --model");
    }
}
