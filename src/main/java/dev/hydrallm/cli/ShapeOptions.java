package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.checkpoint.RandomModel;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.WeightFormat;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The shape of a model of random weights: a well-known one, and what is different about it. */
final class ShapeOptions {
    private static final double NORM_EPSILON = 1e-5;
    private static final double ROPE_THETA = 10_000;
    private static final String USUAL = "135m";

    /** Whether the embedding serves as the language-model head too. */
    enum Embeddings {
        TIED,
        UNTIED
    }

    private record Preset(
            int layers, int hidden, int heads, int kvHeads, int intermediate, int vocab, Embeddings embeddings) {}

    private static final Map<String, Preset> PRESETS = new LinkedHashMap<>();

    static {
        PRESETS.put("135m", new Preset(30, 576, 9, 3, 1536, 49_152, Embeddings.TIED)); // SmolLM2
        PRESETS.put("1b", new Preset(16, 2048, 32, 8, 8192, 128_256, Embeddings.TIED)); // Llama 3.2
        PRESETS.put("7b", new Preset(32, 4096, 32, 32, 11_008, 32_000, Embeddings.UNTIED)); // Vicuna, Llama 2
        PRESETS.put("13b", new Preset(40, 5120, 40, 40, 13_824, 32_000, Embeddings.UNTIED)); // Vicuna, Llama 2
    }

    @Option(
            names = "--preset",
            paramLabel = "NAME",
            defaultValue = USUAL,
            description = "What is not given below: 135m (SmolLM2), 1b (Llama 3.2), 7b or 13b (Vicuna). Default:"
                    + " ${DEFAULT-VALUE}.")
    String preset = USUAL;

    @Option(names = "--layers", paramLabel = "N", description = "Decoder layers.")
    @Nullable
    Integer layers;

    @Option(names = "--hidden", paramLabel = "N", description = "Width of the residual stream.")
    @Nullable
    Integer hidden;

    @Option(names = "--heads", paramLabel = "N", description = "Query heads.")
    @Nullable
    Integer heads;

    @Option(names = "--kv-heads", paramLabel = "N", description = "Key and value heads; they divide the query heads.")
    @Nullable
    Integer kvHeads;

    @Option(names = "--head-dim", paramLabel = "N", description = "Width of a head. Default: --hidden ÷ --heads.")
    @Nullable
    Integer headDim;

    @Option(names = "--intermediate", paramLabel = "N", description = "Width of the SwiGLU block.")
    @Nullable
    Integer intermediate;

    @Option(names = "--vocab", paramLabel = "N", description = "Tokens.")
    @Nullable
    Integer vocab;

    @Option(
            names = "--embeddings",
            paramLabel = "KIND",
            description = "tied: the embedding is the language-model head too. untied: there are two matrices.")
    @Nullable
    Embeddings embeddings;

    @Option(
            names = "--context",
            paramLabel = "TOKENS",
            defaultValue = "2048",
            description = "Length of the context. Default: ${DEFAULT-VALUE}.")
    int context;

    @Option(
            names = "--draft-heads",
            paramLabel = "N",
            defaultValue = "3",
            description = "Draft heads, each with a residual block and a language-model head. Default:"
                    + " ${DEFAULT-VALUE}.")
    int draftHeads;

    @Option(
            names = "--draft-layers",
            paramLabel = "N",
            description = "Decoder layers below the draft heads. Default: 1, without draft heads 0.")
    @Nullable
    Integer draftLayers;

    @Option(
            names = "--quantize",
            paramLabel = "FORMAT",
            defaultValue = "int8",
            description = "f32, f16, int8, int4 (or int4-g32, int4-g128, each also with -asym) or nf4; beside 4 bits"
                    + " embeddings have 8. Default: ${DEFAULT-VALUE}.")
    String quantize = "int8";

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "The same seed gives the same weights. Default: ${DEFAULT-VALUE}.")
    long seed;

    /**
     * What was asked for.
     *
     * @throws IllegalArgumentException when there can be no model of that shape
     */
    RandomModel model() {
        Preset usual = PRESETS.get(preset.toLowerCase(Locale.ROOT));
        if (usual == null) {
            throw new IllegalArgumentException(
                    "--preset " + preset + " is not one of " + String.join(", ", PRESETS.keySet()));
        }
        int width = or(hidden, usual.hidden);
        int queries = or(heads, usual.heads);
        Architecture architecture = new Architecture(
                or(vocab, usual.vocab),
                width,
                or(intermediate, usual.intermediate),
                or(layers, usual.layers),
                queries,
                or(kvHeads, usual.kvHeads),
                headDim == null ? headDim(width, queries) : headDim,
                NORM_EPSILON,
                ROPE_THETA,
                context,
                (embeddings == null ? usual.embeddings : embeddings) == Embeddings.TIED);
        return new RandomModel(
                "random-" + architecture.layers() + "x" + width, architecture, draft(), quantization(), seed);
    }

    private static int headDim(int width, int queries) {
        if (queries < 1 || width % queries != 0) {
            throw new IllegalArgumentException("--hidden " + width + " does not divide among --heads " + queries
                    + ": change one of them or give --head-dim");
        }
        return width / queries;
    }

    private DraftLayout draft() {
        if (draftHeads == 0) {
            if (or(draftLayers, 0) != 0) {
                throw new IllegalArgumentException(
                        "--draft-layers " + draftLayers + " without draft heads: give --draft-heads, or 0 layers");
            }
            return DraftLayout.NONE;
        }
        return new DraftLayout(draftHeads, 1, or(draftLayers, 1), false);
    }

    private Quantization quantization() {
        return quantize.equals("int4") ? Quantization.INT4 : Quantization.of(WeightFormat.named(quantize));
    }

    private static int or(@Nullable Integer given, int usual) {
        return given == null ? usual : given;
    }
}
