package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.ModelFormatException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A base model's {@code config.json}, with the end tokens that {@code generation_config.json} adds. A model that computes
 * anything that is not built here is refused by the name of what it asks for.
 */
record HfConfig(Architecture architecture, @Nullable Integer bosId, List<Integer> eosIds) {
    private static final int DEFAULT_POSITIONS = 2048;
    private static final double DEFAULT_EPSILON = 1e-6;
    private static final double DEFAULT_THETA = 10_000;

    /**
     * Reads both files of a directory.
     *
     * @throws ModelFormatException when a value is missing, ill-typed, out of its bounds or of an unsupported kind
     */
    static HfConfig read(Path directory) {
        Path file = directory.resolve("config.json");
        HfConfig config = of(file, JsonFiles.object(file));
        Path generation = directory.resolve("generation_config.json");
        if (!Files.isRegularFile(generation)) {
            return config;
        }
        Set<Integer> eos = new LinkedHashSet<>(config.eosIds);
        eos.addAll(tokens(generation, JsonFiles.object(generation), "eos_token_id", config.architecture));
        return new HfConfig(config.architecture, config.bosId, List.copyOf(eos));
    }

    /**
     * Reads what such a file holds, wherever it comes from.
     *
     * @param file the file that errors are reported for
     */
    static HfConfig of(Path file, ObjectNode config) {
        refuseUnsupported(file, config);
        int heads = JsonFiles.integer(file, config, "num_attention_heads");
        int hidden = JsonFiles.integer(file, config, "hidden_size");
        if (heads < 1 || (!JsonFiles.has(config, "head_dim") && hidden % heads != 0)) {
            throw new ModelFormatException(
                    file + ": " + heads + " attention heads do not divide a hidden_size of " + hidden);
        }
        try {
            Architecture architecture = new Architecture(
                    JsonFiles.integer(file, config, "vocab_size"),
                    hidden,
                    JsonFiles.integer(file, config, "intermediate_size"),
                    JsonFiles.integer(file, config, "num_hidden_layers"),
                    heads,
                    JsonFiles.integer(file, config, "num_key_value_heads", heads),
                    JsonFiles.integer(file, config, "head_dim", hidden / heads),
                    JsonFiles.number(file, config, "rms_norm_eps", DEFAULT_EPSILON),
                    theta(file, config),
                    JsonFiles.integer(file, config, "max_position_embeddings", DEFAULT_POSITIONS),
                    config.path("tie_word_embeddings").asBoolean(false));
            List<Integer> bos = tokens(file, config, "bos_token_id", architecture);
            Set<Integer> eos = new LinkedHashSet<>(tokens(file, config, "eos_token_id", architecture));
            return new HfConfig(architecture, bos.isEmpty() ? null : bos.getFirst(), List.copyOf(eos));
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(file + ": " + e.getMessage(), e);
        }
    }

    private static void refuseUnsupported(Path file, ObjectNode config) {
        String type = config.path("model_type").asText("");
        if (!type.equals("llama")) {
            throw new ModelFormatException(file + ": model_type \"" + type + "\" is not supported; llama is");
        }
        requireDefault(file, config, "hidden_act", "silu");
        requireDefault(file, config, "attention_bias", "false");
        requireDefault(file, config, "mlp_bias", "false");
        requireDefault(file, config, "pretraining_tp", "1");
        if (JsonFiles.has(config, "rope_scaling")) {
            throw new ModelFormatException(
                    file + ": rope_scaling " + config.path("rope_scaling") + " is not supported yet");
        }
        JsonNode ropeType = config.path("rope_parameters").path("rope_type");
        if (!ropeType.isMissingNode() && !ropeType.asText().equals("default")) {
            throw new ModelFormatException(file + ": rope_type " + ropeType + " is not supported yet");
        }
    }

    private static void requireDefault(Path file, ObjectNode config, String name, String value) {
        if (JsonFiles.has(config, name) && !config.path(name).asText().equals(value)) {
            throw new ModelFormatException(
                    file + ": " + name + " " + config.path(name) + " is not supported; only " + value + " is");
        }
    }

    /** Newer files hold it in an object of its own. */
    private static double theta(Path file, ObjectNode config) {
        return config.path("rope_parameters") instanceof ObjectNode rope
                ? JsonFiles.number(file, rope, "rope_theta", DEFAULT_THETA)
                : JsonFiles.number(file, config, "rope_theta", DEFAULT_THETA);
    }

    private static List<Integer> tokens(Path file, ObjectNode config, String name, Architecture architecture) {
        List<Integer> ids = JsonFiles.integers(file, config, name);
        for (int id : ids) {
            if (id < 0 || id >= architecture.vocabSize()) {
                throw new ModelFormatException(file + ": " + name + " " + id + " is not between 0 and the vocab_size "
                        + architecture.vocabSize());
            }
        }
        return ids;
    }
}
