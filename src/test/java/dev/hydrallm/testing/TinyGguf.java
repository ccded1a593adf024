package dev.hydrallm.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.model.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** GGUF files of {@link TinyCheckpoint}'s model, and what conversion does to names, rows and tokenizers. */
public final class TinyGguf {
    private static final Map<String, String> PARTS = Map.ofEntries(
            Map.entry("input_layernorm", "attn_norm"),
            Map.entry("self_attn.q_proj", "attn_q"),
            Map.entry("self_attn.k_proj", "attn_k"),
            Map.entry("self_attn.v_proj", "attn_v"),
            Map.entry("self_attn.o_proj", "attn_output"),
            Map.entry("self_attn.q_norm", "attn_q_norm"),
            Map.entry("self_attn.k_norm", "attn_k_norm"),
            Map.entry("post_attention_layernorm", "ffn_norm"),
            Map.entry("mlp.gate_proj", "ffn_gate"),
            Map.entry("mlp.up_proj", "ffn_up"),
            Map.entry("mlp.down_proj", "ffn_down"));

    private TinyGguf() {}

    /** The model of {@link TinyCheckpoint#base}, with a small tokenizer. */
    public static Gguf base(DType dtype) {
        Gguf gguf = metadata();
        TinyCheckpoint.base(dtype).forEach((name, tensor) -> gguf.tensor(nameOf(name), permuted(name, tensor)));
        return gguf;
    }

    /** The metadata of {@link TinyCheckpoint#CONFIG}. */
    public static Gguf metadata() {
        return tokenizer(new Gguf()
                .put("general.architecture", "llama")
                .put("llama.embedding_length", TinyCheckpoint.HIDDEN)
                .put("llama.feed_forward_length", TinyCheckpoint.INTERMEDIATE)
                .put("llama.block_count", TinyCheckpoint.LAYERS)
                .put("llama.attention.head_count", 2)
                .put("llama.attention.head_count_kv", 1)
                .put("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .put("llama.rope.dimension_count", TinyCheckpoint.HEAD_DIM)
                .put("llama.context_length", 64));
    }

    private static Gguf tokenizer(Gguf gguf) {
        List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        for (char c = 'a'; tokens.size() < TinyCheckpoint.VOCAB - 1; c++) {
            tokens.add(String.valueOf(c));
        }
        tokens.add("ab");
        List<Integer> types = new ArrayList<>(java.util.Collections.nCopies(tokens.size(), 1));
        types.set(0, 2);
        types.set(1, 3);
        types.set(2, 3);
        return gguf.put("tokenizer.ggml.model", "gpt2")
                .put("tokenizer.ggml.pre", "gpt-2")
                .strings("tokenizer.ggml.tokens", tokens)
                .integers("tokenizer.ggml.token_type", types)
                .strings("tokenizer.ggml.merges", List.of("a b"))
                .put("tokenizer.ggml.bos_token_id", 1)
                .put("tokenizer.ggml.eos_token_id", 2);
    }

    /** A byte-level {@code tokenizer.json} in a file's metadata. */
    public static Gguf tokenizer(Gguf gguf, Path json) {
        try {
            JsonNode tokenizer = new ObjectMapper().readTree(json.toFile());
            JsonNode model = tokenizer.path("model");
            String[] tokens = new String[model.path("vocab").size()];
            model.path("vocab")
                    .properties()
                    .forEach(entry -> tokens[entry.getValue().intValue()] = entry.getKey());
            List<Integer> types = new ArrayList<>(java.util.Collections.nCopies(tokens.length, 1));
            tokenizer
                    .path("added_tokens")
                    .forEach(token -> types.set(token.path("id").intValue(), 3));
            List<String> merges = new ArrayList<>();
            model.path("merges")
                    .forEach(pair ->
                            merges.add(pair.get(0).asText() + " " + pair.get(1).asText()));
            return gguf.put("tokenizer.ggml.model", "gpt2")
                    .put("tokenizer.ggml.pre", "gpt-2")
                    .strings("tokenizer.ggml.tokens", List.of(tokens))
                    .integers("tokenizer.ggml.token_type", types)
                    .strings("tokenizer.ggml.merges", merges)
                    .put("tokenizer.ggml.bos_token_id", 1)
                    .put("tokenizer.ggml.eos_token_id", 2)
                    .put("tokenizer.ggml.add_bos_token", true);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What a tensor of a Hugging Face checkpoint is called in a GGUF file. */
    public static String nameOf(String name) {
        return switch (name) {
            case "model.embed_tokens.weight" -> "token_embd.weight";
            case "model.norm.weight" -> "output_norm.weight";
            case "lm_head.weight" -> "output.weight";
            default -> {
                String[] parts = name.split("\\.", 4);
                int dot = parts[3].lastIndexOf('.');
                yield "blk." + parts[2] + "." + PARTS.get(parts[3].substring(0, dot)) + parts[3].substring(dot);
            }
        };
    }

    /** A tensor as conversion writes it for the architecture llama. */
    public static TestTensor permuted(String name, TestTensor tensor) {
        return name.contains("q_proj") || name.contains("k_proj")
                ? new TestTensor(
                        tensor.dtype(),
                        tensor.shape(),
                        permuted(tensor.values(), tensor.shape().getFirst().intValue(), TinyCheckpoint.HEAD_DIM))
                : tensor;
    }

    /**
     * {@code weights.reshape(heads, 2, headDim / 2, columns).swapaxes(1, 2).reshape(rows, columns)}, as conversion
     * permutes query and key projections.
     */
    public static float[] permuted(float[] weights, int rows, int headDim) {
        int columns = weights.length / rows;
        float[] permuted = new float[weights.length];
        int to = 0;
        for (int head = 0; head < rows / headDim; head++) {
            for (int j = 0; j < headDim / 2; j++) {
                for (int half = 0; half < 2; half++) {
                    int row = (head * 2 + half) * (headDim / 2) + j;
                    System.arraycopy(weights, row * columns, permuted, to, columns);
                    to += columns;
                }
            }
        }
        return permuted;
    }
}
