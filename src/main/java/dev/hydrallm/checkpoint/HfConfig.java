package dev.hydrallm.checkpoint;

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
    private static final double DEFAULT_EPSILON = 1e-6;

    /**
     * Reads both files of a directory.
     *
     * @throws ModelFormatException when a value is missing, ill-typed, out of its bounds or of an unsupported kind
     */
    static HfConfig read(Path directory) {
        Path file = directory.resolve("config.json");
        ObjectNode config = JsonFiles.object(file);
        BaseFamily family = BaseFamily.of(file, config);
        JsonFiles.require(file, config, "hidden_act", "silu");
        JsonFiles.require(file, config, "mlp_bias", "false");
        JsonFiles.require(file, config, "pretraining_tp", "1");
        int heads = JsonFiles.integer(file, config, "num_attention_heads");
        int hidden = JsonFiles.integer(file, config, "hidden_size");
        int layers = JsonFiles.integer(file, config, "num_hidden_layers");
        if (heads < 1 || (hasNoHeadDim(family, config) && hidden % heads != 0)) {
            throw new ModelFormatException(
                    file + ": " + heads + " attention heads do not divide a hidden_size of " + hidden);
        }
        try {
            RopeConfig rope = RopeConfig.read(file, config, family.positions());
            Architecture architecture = new Architecture(
                    JsonFiles.integer(file, config, "vocab_size"),
                    hidden,
                    JsonFiles.integer(file, config, "intermediate_size"),
                    layers,
                    heads,
                    JsonFiles.integer(file, config, "num_key_value_heads", heads),
                    JsonFiles.integer(file, config, "head_dim", family.headDim().orElse(hidden / heads)),
                    JsonFiles.number(file, config, "rms_norm_eps", DEFAULT_EPSILON),
                    rope.theta(),
                    rope.contextLength(),
                    JsonFiles.flag(file, config, "tie_word_embeddings"),
                    family.attentionParts(file, config),
                    family.slidingWindow(file, config, layers),
                    rope.scaling());
            List<Integer> bos = tokens(file, config, "bos_token_id", architecture);
            Set<Integer> eos = new LinkedHashSet<>(tokens(file, config, "eos_token_id", architecture));
            Path generation = directory.resolve("generation_config.json");
            if (Files.isRegularFile(generation)) {
                eos.addAll(tokens(generation, JsonFiles.object(generation), "eos_token_id", architecture));
            }
            return new HfConfig(architecture, bos.isEmpty() ? null : bos.getFirst(), List.copyOf(eos));
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(file + ": " + e.getMessage(), e);
        }
    }

    private static boolean hasNoHeadDim(BaseFamily family, ObjectNode config) {
        return !JsonFiles.has(config, "head_dim") && family.headDim().isEmpty();
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
