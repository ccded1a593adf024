package dev.hydrallm.testing;

import dev.hydrallm.model.DType;
import dev.hydrallm.training.data.TokenFileWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Tensors and files of a tiny Llama model and of draft heads for it, as others write them. */
public final class TinyCheckpoint {
    public static final int VOCAB = 16;
    public static final int HIDDEN = 8;
    public static final int INTERMEDIATE = 12;
    public static final int HEAD_DIM = 4;
    public static final int LAYERS = 2;

    public static final String CONFIG = """
            {"model_type": "llama", "vocab_size": 16, "hidden_size": 8, "intermediate_size": 12,
             "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 64, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": false}
            """;

    private TinyCheckpoint() {}

    /** The base's tensors. */
    public static Map<String, TestTensor> base(DType dtype) {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        tensors.put("model.embed_tokens.weight", TestTensor.random(dtype, 1, VOCAB, HIDDEN));
        for (int i = 0; i < LAYERS; i++) {
            for (Map.Entry<String, TestTensor> part :
                    layer(dtype, 100L * (i + 1)).entrySet()) {
                tensors.put("model.layers." + i + "." + part.getKey(), part.getValue());
            }
        }
        tensors.put("model.norm.weight", TestTensor.random(dtype, 2, HIDDEN));
        tensors.put("lm_head.weight", TestTensor.random(dtype, 3, VOCAB, HIDDEN));
        return tensors;
    }

    /** A decoder layer's tensors. */
    public static Map<String, TestTensor> layer(DType dtype, long seed) {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        tensors.put("self_attn.q_proj.weight", TestTensor.random(dtype, seed, 2 * HEAD_DIM, HIDDEN));
        tensors.put("self_attn.k_proj.weight", TestTensor.random(dtype, seed + 1, HEAD_DIM, HIDDEN));
        tensors.put("self_attn.v_proj.weight", TestTensor.random(dtype, seed + 2, HEAD_DIM, HIDDEN));
        tensors.put("self_attn.o_proj.weight", TestTensor.random(dtype, seed + 3, HIDDEN, 2 * HEAD_DIM));
        tensors.put("mlp.gate_proj.weight", TestTensor.random(dtype, seed + 4, INTERMEDIATE, HIDDEN));
        tensors.put("mlp.up_proj.weight", TestTensor.random(dtype, seed + 5, INTERMEDIATE, HIDDEN));
        tensors.put("mlp.down_proj.weight", TestTensor.random(dtype, seed + 6, HIDDEN, INTERMEDIATE));
        tensors.put("input_layernorm.weight", TestTensor.random(dtype, seed + 7, HIDDEN));
        tensors.put("post_attention_layernorm.weight", TestTensor.random(dtype, seed + 8, HIDDEN));
        return tensors;
    }

    /** The biases of a layer's query, key and value projections. */
    public static Map<String, TestTensor> qkvBiases(DType dtype, long seed) {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        tensors.put("self_attn.q_proj.bias", TestTensor.random(dtype, seed + 10, 2 * HEAD_DIM));
        tensors.put("self_attn.k_proj.bias", TestTensor.random(dtype, seed + 11, HEAD_DIM));
        tensors.put("self_attn.v_proj.bias", TestTensor.random(dtype, seed + 12, HEAD_DIM));
        return tensors;
    }

    /** The norms of a layer's query and key heads. */
    public static Map<String, TestTensor> headNorms(DType dtype, long seed) {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        tensors.put("self_attn.q_norm.weight", TestTensor.random(dtype, seed + 13, HEAD_DIM));
        tensors.put("self_attn.k_norm.weight", TestTensor.random(dtype, seed + 14, HEAD_DIM));
        return tensors;
    }

    /** The bias of a layer's output projection. */
    public static Map<String, TestTensor> outputBias(DType dtype, long seed) {
        return Map.of("self_attn.o_proj.bias", TestTensor.random(dtype, seed + 15, HIDDEN));
    }

    /** Draft heads without forked layers, in the flat names of Medusa v0.1. */
    public static Map<String, TestTensor> medusa(DType dtype, int heads, int blocks) {
        Map<String, TestTensor> tensors = residuals(dtype, heads, blocks);
        for (int k = 0; k < heads; k++) {
            tensors.put(k + "." + blocks + ".weight", TestTensor.random(dtype, 3000 + k, VOCAB, HIDDEN));
        }
        return tensors;
    }

    /** The residual blocks alone, as heads have them that share the base's last matrix. */
    public static Map<String, TestTensor> residuals(DType dtype, int heads, int blocks) {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        for (int k = 0; k < heads; k++) {
            for (int j = 0; j < blocks; j++) {
                long seed = 2000 + 100L * k + 2L * j;
                tensors.put(k + "." + j + ".linear.weight", TestTensor.random(dtype, seed, HIDDEN, HIDDEN));
                tensors.put(k + "." + j + ".linear.bias", TestTensor.random(dtype, seed + 1, HIDDEN));
            }
        }
        return tensors;
    }

    /** Forked layers and their norm in the names of Hydra's merged file. */
    public static Map<String, TestTensor> forked(DType dtype, int layers) {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        for (int i = 0; i < layers; i++) {
            for (Map.Entry<String, TestTensor> part :
                    layer(dtype, 5000 + 100L * i).entrySet()) {
                tensors.put(i + "." + part.getKey(), part.getValue());
            }
        }
        tensors.put("weight", TestTensor.random(dtype, 4000, HIDDEN));
        return tensors;
    }

    /** Maps joined. */
    public static Map<String, TestTensor> join(List<Map<String, TestTensor>> maps) {
        Map<String, TestTensor> all = new LinkedHashMap<>();
        maps.forEach(all::putAll);
        return all;
    }

    /** The same tensors under longer names. */
    public static Map<String, TestTensor> prefixed(String prefix, Map<String, TestTensor> tensors) {
        Map<String, TestTensor> all = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> all.put(prefix + name, tensor));
        return all;
    }

    /** Writes a safetensors file. */
    public static Path safetensors(Path file, Map<String, TestTensor> tensors) {
        Safetensors out = new Safetensors();
        tensors.forEach((name, tensor) -> out.add(name, tensor.dtype(), tensor.shape(), tensor.bytes()));
        return out.write(file);
    }

    /** Writes a whole model's directory. */
    public static Path writeBase(Path directory, Map<String, TestTensor> tensors) {
        return writeBase(directory, CONFIG, tensors);
    }

    /** The same with a configuration of its own. */
    public static Path writeBase(Path directory, String config, Map<String, TestTensor> tensors) {
        safetensors(files(directory, config).resolve("model.safetensors"), tensors);
        text(directory.resolve("tokenizer.json"), "{}");
        return directory;
    }

    /** Writes the directory of draft heads beside their {@code base}, all but the weights. */
    public static Path writeHeadsConfig(Path directory, int heads, int blocks, int layers) {
        return files(
                directory,
                "{\"medusa_num_heads\": %d, \"medusa_num_layers\": %d, \"medusa_num_decoder_layers\": %d, %s}"
                        .formatted(heads, blocks, layers, "\"base_model_name_or_path\": \"../base\""));
    }

    private static Path files(Path directory, String config) {
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        text(directory.resolve("config.json"), config);
        return directory;
    }

    /**
     * Writes a token file for this or the wide model in a {@code base} folder: random tokens after a first one of their own, all
     * labelled. Only who remembers them knows what comes.
     */
    public static Path writeTokens(Path file, Path base, int count, long seed) throws IOException {
        Random random = new Random(seed);
        try (TokenFileWriter writer = new TokenFileWriter(file, VOCAB, sha256(base.resolve("tokenizer.json")))) {
            for (int i = 0; i < count; i++) {
                boolean[] labelled = new boolean[12];
                Arrays.fill(labelled, true);
                int[] sample = random.ints(12, 3, VOCAB).toArray();
                // What comes after the first token depends on it alone; repeated, it would look the same as once.
                sample[0] = 3 + i;
                sample[1] = 11;
                writer.add(sample, labelled);
            }
            writer.finish();
        }
        return file;
    }

    private static String sha256(Path file) throws IOException {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Writes a text file. */
    public static Path text(Path file, String text) {
        try {
            return Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
