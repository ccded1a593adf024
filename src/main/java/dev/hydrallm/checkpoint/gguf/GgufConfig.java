package dev.hydrallm.checkpoint.gguf;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.ModelFormatException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a file's metadata and tensors say about the model, in the terms of Hugging Face's {@code config.json}.
 *
 * @see <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#standardized-key-value-pairs">the keys</a>
 */
public final class GgufConfig {
    /** Architectures of GGUF and the {@code model_type} that computes the same. */
    private static final Map<String, String> MODEL_TYPES = Map.of("llama", "llama", "qwen2", "qwen2", "qwen3", "qwen3");

    /** Numbers that other models of the same architecture multiply something with. */
    private static final List<String> MULTIPLIERS =
            List.of("embedding_scale", "residual_scale", "logit_scale", "attention.scale", "rope.scaling.attn_factor");

    private static final List<String> END_TOKENS = List.of("eos_token_id", "eot_token_id", "eom_token_id");
    private static final String ROPE_FACTORS = "rope_freqs.weight";
    private static final double DEFAULT_THETA = 10_000;

    private final GgufFile file;
    private final GgufMetadata metadata;
    private final String architecture;
    private final ObjectNode config = JsonNodeFactory.instance.objectNode();

    private GgufConfig(GgufFile file) {
        this.file = file;
        this.metadata = file.metadata();
        this.architecture = architecture(metadata);
    }

    /**
     * Translates. Bounds are for the reader of the configuration to check.
     *
     * @throws ModelFormatException when a key is missing or ill-typed, or asks for something that the configuration
     *     cannot say
     */
    public static ObjectNode of(GgufFile file) {
        GgufConfig translation = new GgufConfig(file);
        translation.refuseUnsupported();
        translation.shape();
        translation.rotaryEmbedding();
        translation.slidingWindow();
        translation.tokens();
        return translation.config;
    }

    /** Whether query and key rows stand in the order of rotary pairs, as conversion leaves them for this architecture. */
    public static boolean rotaryPairsAreAdjacent(GgufFile file) {
        return architecture(file.metadata()).equals("llama");
    }

    /** Whether a tensor is part of the configuration instead of the weights. */
    public static boolean isConfiguration(String tensor) {
        return tensor.equals(ROPE_FACTORS);
    }

    private static String architecture(GgufMetadata metadata) {
        String name = metadata.text("general.architecture")
                .orElseThrow(() -> metadata.broken("metadata general.architecture is missing"));
        if (!MODEL_TYPES.containsKey(name)) {
            throw metadata.broken("general.architecture \"" + name + "\" is not supported; llama, qwen2 and qwen3 are");
        }
        return name;
    }

    private void refuseUnsupported() {
        String type = metadata.text("general.type").orElse("model");
        if (!type.equals("model")) {
            throw metadata.broken("holds a \"" + type + "\" (general.type), no model");
        }
        if (metadata.integer(key("expert_count")).orElse(0L) > 0) {
            throw metadata.broken("is a mixture of experts (" + key("expert_count") + "), which is not supported");
        }
        for (String name : MULTIPLIERS) {
            double factor = metadata.number(key(name)).orElse(1.0);
            if (factor != 1) {
                throw metadata.broken("metadata " + key(name) + " " + factor + " is not supported");
            }
        }
    }

    private void shape() {
        config.put("model_type", MODEL_TYPES.get(architecture));
        GgufTensor embedding = file.tensors().get("token_embd.weight");
        if (embedding == null) {
            throw metadata.broken("missing tensors: token_embd.weight");
        }
        put("vocab_size", embedding.shape().getFirst());
        long hidden = required("embedding_length");
        long heads = required("attention.head_count");
        put("hidden_size", hidden);
        put("intermediate_size", required("feed_forward_length"));
        put("num_hidden_layers", required("block_count"));
        put("num_attention_heads", heads);
        put(
                "num_key_value_heads",
                metadata.integer(key("attention.head_count_kv")).orElse(heads));
        put("max_position_embeddings", required("context_length"));
        headDim(hidden, heads);
        config.put(
                "rms_norm_eps",
                metadata.number(key("attention.layer_norm_rms_epsilon"))
                        .orElseThrow(() -> missing("attention.layer_norm_rms_epsilon")));
        config.put("tie_word_embeddings", !file.tensors().containsKey("output.weight"));
        if (architecture.equals("llama")) {
            config.put("attention_bias", file.tensors().containsKey("blk.0.attn_q.bias"));
            config.put("mlp_bias", file.tensors().containsKey("blk.0.ffn_up.bias"));
        }
    }

    private void headDim(long hidden, long heads) {
        long headDim =
                metadata.integer(key("attention.key_length")).orElseGet(() -> heads > 0 ? hidden / heads : hidden);
        for (String other : List.of("attention.value_length", "rope.dimension_count")) {
            long length = metadata.integer(key(other)).orElse(headDim);
            if (length != headDim) {
                throw metadata.broken("metadata " + key(other) + " " + length + " is not supported; only " + headDim
                        + ", the length of a key, is");
            }
        }
        // Where a division leaves a rest, the reader of the configuration says so.
        if (metadata.integer(key("attention.key_length")).isPresent() || headDim * heads == hidden) {
            put("head_dim", headDim);
        }
    }

    private void rotaryEmbedding() {
        double theta = metadata.number(key("rope.freq_base")).orElse(DEFAULT_THETA);
        config.put("rope_theta", theta);
        String type = metadata.text(key("rope.scaling.type")).orElse("none");
        GgufTensor factors = file.tensors().get(ROPE_FACTORS);
        if (factors != null) {
            if (!type.equals("none")) {
                throw metadata.broken("has both " + ROPE_FACTORS + " and " + key("rope.scaling.type") + " " + type);
            }
            RopeFactors.scaling(metadata, factors, theta).ifPresent(scaling -> config.set("rope_scaling", scaling));
            return;
        }
        if (!type.equals("none")) {
            ObjectNode scaling = config.putObject("rope_scaling").put("rope_type", type);
            copyNumber(scaling, "factor", "rope.scaling.factor");
            copyNumber(scaling, "beta_fast", "rope.scaling.yarn_beta_fast");
            copyNumber(scaling, "beta_slow", "rope.scaling.yarn_beta_slow");
            metadata.integer(key("rope.scaling.original_context_length"))
                    .ifPresent(length -> put(scaling, "original_max_position_embeddings", length));
        } else if (metadata.number(key("rope.scale_linear")).orElse(1.0) != 1) {
            ObjectNode scaling = config.putObject("rope_scaling").put("rope_type", "linear");
            copyNumber(scaling, "factor", "rope.scale_linear");
        }
    }

    private void copyNumber(ObjectNode target, String name, String from) {
        metadata.number(key(from)).ifPresent(value -> target.put(name, value));
    }

    /** Mistral's models are converted as llama; a window makes them mistral. */
    private void slidingWindow() {
        long window = metadata.integer(key("attention.sliding_window")).orElse(0L);
        if (window > 0 && !architecture.equals("llama")) {
            throw metadata.broken("metadata " + key("attention.sliding_window") + " " + window + " is not supported");
        }
        if (window > 0) {
            config.put("model_type", "mistral");
            put("sliding_window", window);
        }
    }

    private void tokens() {
        metadata.integer("tokenizer.ggml.bos_token_id").ifPresent(id -> put("bos_token_id", id));
        Set<Long> ends = new LinkedHashSet<>();
        END_TOKENS.forEach(name -> metadata.integer("tokenizer.ggml." + name).ifPresent(ends::add));
        ArrayNode list = config.putArray("eos_token_id");
        ends.forEach(id -> list.add(JsonNodeFactory.instance.numberNode(Math.toIntExact(checked("eos_token_id", id)))));
    }

    private String key(String name) {
        return architecture + "." + name;
    }

    private long required(String name) {
        return metadata.integer(key(name)).orElseThrow(() -> missing(name));
    }

    private ModelFormatException missing(String name) {
        return metadata.broken("metadata " + key(name) + " is missing");
    }

    private void put(String name, long value) {
        put(config, name, value);
    }

    private void put(ObjectNode target, String name, long value) {
        target.put(name, Math.toIntExact(checked(name, value)));
    }

    private long checked(String name, long value) {
        if (value < 0 || value > Integer.MAX_VALUE) {
            throw metadata.broken("metadata for " + name + " is " + value + ", not a whole number of 31 bits");
        }
        return value;
    }
}
