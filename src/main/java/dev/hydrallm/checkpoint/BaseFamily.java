package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.SlidingWindow;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The families of base models, by the {@code model_type} of their configuration, and what each computes beyond Llama.
 * What a configuration leaves out has the default of Hugging Face's own class for the family.
 */
enum BaseFamily {
    /** Llama 2 and 3, SmolLM2, TinyLlama, Vicuna: biases only where the configuration says so. */
    LLAMA(2048) {
        @Override
        Set<AttentionPart> attentionParts(Path file, ObjectNode config) {
            return biasesIf(JsonFiles.flag(file, config, "attention_bias"));
        }
    },
    /** Mistral: every layer has the sliding window. */
    MISTRAL(4096 * 32) {
        @Override
        Set<AttentionPart> attentionParts(Path file, ObjectNode config) {
            JsonFiles.require(file, config, "attention_bias", "false");
            return Set.of();
        }

        @Override
        @Nullable
        SlidingWindow slidingWindow(Path file, ObjectNode config, int layers) {
            return windowOf(file, config, 0);
        }
    },
    /** Qwen2 and Qwen2.5: biases of query, key and value always. */
    QWEN2(32_768) {
        @Override
        Set<AttentionPart> attentionParts(Path file, ObjectNode config) {
            return Set.of(AttentionPart.QKV_BIAS);
        }

        @Override
        @Nullable
        SlidingWindow slidingWindow(Path file, ObjectNode config, int layers) {
            return upperLayersWindow(file, config, layers);
        }
    },
    /** Qwen3: every query and key head is normed. */
    QWEN3(32_768) {
        @Override
        Set<AttentionPart> attentionParts(Path file, ObjectNode config) {
            Set<AttentionPart> parts = EnumSet.of(AttentionPart.QK_NORM);
            parts.addAll(biasesIf(JsonFiles.flag(file, config, "attention_bias")));
            return parts;
        }

        @Override
        @Nullable
        SlidingWindow slidingWindow(Path file, ObjectNode config, int layers) {
            return upperLayersWindow(file, config, layers);
        }

        @Override
        OptionalInt headDim() {
            return OptionalInt.of(128);
        }
    };

    private static final int DEFAULT_WINDOW = 4096;
    private static final int DEFAULT_FULL_LAYERS = 28;

    /** A class for something else than continuing text, or of another family. */
    private static final Pattern TASK = Pattern.compile("(\\w+?)For(\\w+)");

    private final int positions;

    BaseFamily(int positions) {
        this.positions = positions;
    }

    /** What attention has beyond Llama's. */
    abstract Set<AttentionPart> attentionParts(Path file, ObjectNode config);

    /** The window, null without one. */
    @Nullable
    SlidingWindow slidingWindow(Path file, ObjectNode config, int layers) {
        return null;
    }

    /** The width of a head where the configuration leaves it out; empty where it follows from the hidden size. */
    OptionalInt headDim() {
        return OptionalInt.empty();
    }

    /** {@code max_position_embeddings} where the configuration leaves it out. */
    int positions() {
        return positions;
    }

    private String type() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * The family of a configuration: by its {@code model_type}, in whose absence by its {@code architectures}.
     *
     * @throws ModelFormatException naming the model_type or architecture that is not supported
     */
    static BaseFamily of(Path file, ObjectNode config) {
        String type = config.path("model_type").asText("");
        Optional<BaseFamily> family = Arrays.stream(values())
                .filter(each -> each.type().equals(type) || (type.isEmpty() && each.isNamedBy(config)))
                .findFirst();
        if (family.isEmpty()) {
            String architectures = config.path("architectures").isEmpty() ? "" : " " + config.path("architectures");
            throw new ModelFormatException(
                    file + ": model_type \"" + type + "\"" + architectures + " is not supported; " + known());
        }
        for (JsonNode architecture : config.path("architectures")) {
            String name = architecture.asText();
            if (TASK.matcher(name).matches() && !family.get().isNamed(name)) {
                throw new ModelFormatException(file + ": the architecture " + name + " of model_type \"" + type
                        + "\" is not supported; " + known() + ", each as …ForCausalLM");
            }
        }
        return family.get();
    }

    private boolean isNamedBy(ObjectNode config) {
        for (JsonNode architecture : config.path("architectures")) {
            if (isNamed(architecture.asText())) {
                return true;
            }
        }
        return false;
    }

    private boolean isNamed(String architecture) {
        return architecture.equalsIgnoreCase(type() + "ForCausalLM");
    }

    private static String known() {
        return Arrays.stream(values()).map(BaseFamily::type).collect(Collectors.joining(", ")) + " are";
    }

    private static Set<AttentionPart> biasesIf(boolean given) {
        return given ? EnumSet.of(AttentionPart.QKV_BIAS, AttentionPart.O_BIAS) : Set.of();
    }

    /** Null in the configuration is no window; nothing there is the default. */
    private static @Nullable SlidingWindow windowOf(Path file, ObjectNode config, int firstLayer) {
        if (config.path("sliding_window").isNull()) {
            return null;
        }
        return new SlidingWindow(JsonFiles.integer(file, config, "sliding_window", DEFAULT_WINDOW), firstLayer);
    }

    /** Qwen's: switched on by a flag, from a layer on. */
    private static @Nullable SlidingWindow upperLayersWindow(Path file, ObjectNode config, int layers) {
        int first = JsonFiles.integer(file, config, "max_window_layers", DEFAULT_FULL_LAYERS);
        boolean used = JsonFiles.flag(file, config, "use_sliding_window");
        SlidingWindow window = used && first < layers ? windowOf(file, config, first) : null;
        requireLayerTypes(file, config, layers, window);
        return window;
    }

    /** Newer configurations list every layer's kind, which may differ from what the other values say. */
    private static void requireLayerTypes(Path file, ObjectNode config, int layers, @Nullable SlidingWindow window) {
        if (!JsonFiles.has(config, "layer_types")) {
            return;
        }
        String expected = IntStream.range(0, layers)
                .mapToObj(layer ->
                        window != null && layer >= window.firstLayer() ? "\"sliding_attention\"" : "\"full_attention\"")
                .collect(Collectors.joining(",", "[", "]"));
        if (!config.path("layer_types").toString().equals(expected)) {
            throw new ModelFormatException(file + ": layer_types " + config.path("layer_types")
                    + " is not supported; use_sliding_window and max_window_layers mean " + expected);
        }
    }
}
