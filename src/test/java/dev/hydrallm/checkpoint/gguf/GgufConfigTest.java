package dev.hydrallm.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.Gguf;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyGguf;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class GgufConfigTest {
    private static final TestTensor NOTHING = TestTensor.random(DType.F32, 1, 16, 8);

    @TempDir
    Path directory;

    @Test
    void theKeysOfLlamaBecomeItsConfiguration() throws IOException {
        JsonNode expected = new ObjectMapper().readTree("""
                {"model_type": "llama", "vocab_size": 16, "hidden_size": 8, "intermediate_size": 12,
                 "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                 "max_position_embeddings": 64, "head_dim": 4, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
                 "attention_bias": false, "mlp_bias": false, "rope_theta": 10000.0,
                 "bos_token_id": 1, "eos_token_id": [2]}
                """);
        assertThat(config(g -> g)).isEqualTo(expected);
    }

    @Test
    void anOutputMatrixOfItsOwnUntiesTheEmbeddings() {
        assertThat(config(g -> g.tensor("output.weight", NOTHING)).path("tie_word_embeddings"))
                .hasToString("false");
    }

    @Test
    void otherValuesAreTakenWhereTheyAreGiven() {
        JsonNode config = config(g -> g.put("llama.rope.freq_base", 5e5f)
                .put("llama.attention.key_length", 6)
                .put("llama.attention.value_length", 6)
                .put("llama.rope.dimension_count", 6)
                .put("tokenizer.ggml.eot_token_id", 7)
                .tensor("blk.0.attn_q.bias", NOTHING));
        assertThat(config.path("rope_theta").doubleValue()).isEqualTo(5e5);
        assertThat(config.path("head_dim")).hasToString("6");
        assertThat(config.path("eos_token_id")).hasToString("[2,7]");
        assertThat(config.path("attention_bias")).hasToString("true");
    }

    @Test
    void keyValueHeadsAreAsManyAsHeadsUnlessGiven() {
        assertThat(config(g -> g.without("llama.attention.head_count_kv")).path("num_key_value_heads"))
                .hasToString("2");
    }

    @Test
    void rotaryScalingIsSaidInTheOtherWords() {
        assertThat(config(g -> g.put("llama.rope.scaling.type", "yarn")
                                .put("llama.rope.scaling.factor", 4f)
                                .put("llama.rope.scaling.original_context_length", 32))
                        .path("rope_scaling"))
                .hasToString("{\"rope_type\":\"yarn\",\"factor\":4.0,\"original_max_position_embeddings\":32}");
        assertThat(config(g -> g.put("llama.rope.scale_linear", 2f)).path("rope_scaling"))
                .hasToString("{\"rope_type\":\"linear\",\"factor\":2.0}");
        assertThat(config(g -> g.put("llama.rope.scaling.type", "none")).has("rope_scaling"))
                .isFalse();
    }

    @Test
    void theFactorsOfLlama3AreRecognized() {
        // Head dimension 16, base 500,000: wavelengths 2π·500000^(i/8) are 6, 32, 167, 862, 4,443 (between 2,048 and
        // 8,192), 22,910 … . Of the fifth: smooth = (8192/4442.88 − 1)/3 = 0.281283, 1/(0.718717/8 + 0.281283) =
        // 2.694530.
        float[] factors = {1, 1, 1, 1, 2.694530f, 8, 8, 8};
        assertThat(ropeFactors(factors).path("rope_scaling"))
                .hasToString("{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
                        + "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}");
        assertThat(ropeFactors(new float[] {1, 1, 1, 1, 1, 1, 1, 1}).has("rope_scaling"))
                .isFalse();
    }

    @Test
    void otherFactorsAreRefused() {
        for (float[] factors : List.of(
                new float[] {1, 1, 1, 1, 2.7f, 8, 8, 8},
                new float[] {1, 1, 1, 1, Float.NaN, 8, 8, 8},
                new float[] {2, 2, 2, 2, 2, 2, 2, 0.5f})) {
            assertThatThrownBy(() -> ropeFactors(factors))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("rope_freqs.weight: its factors are not those of Llama 3's rope_scaling");
        }
    }

    private JsonNode ropeFactors(float[] factors) {
        return config(g -> g.put("llama.rope.freq_base", 5e5f)
                .tensor("rope_freqs.weight", new TestTensor(DType.F32, List.of(8L), factors)));
    }

    @Test
    void aWindowMakesAMistral() {
        JsonNode config = config(g -> g.put("llama.attention.sliding_window", 32));
        assertThat(config.path("model_type").asText()).isEqualTo("mistral");
        assertThat(config.path("sliding_window")).hasToString("32");
    }

    @Test
    void qwenKeepsItsNameAndSaysNothingOfBiases() {
        JsonNode config = config(g -> as("qwen2", g));
        assertThat(config.path("model_type").asText()).isEqualTo("qwen2");
        assertThat(config.path("hidden_size")).hasToString("8");
        assertThat(config.has("attention_bias")).isFalse();
    }

    static Stream<Arguments> unsupported() {
        return Stream.of(
                refused(g -> g.without("general.architecture"), "metadata general.architecture is missing"),
                refused(
                        g -> g.put("general.architecture", "gemma3"),
                        "general.architecture \"gemma3\" is not supported; llama, qwen2 and qwen3 are"),
                refused(g -> g.put("general.type", "adapter"), "holds a \"adapter\" (general.type), no model"),
                refused(g -> g.put("llama.expert_count", 8), "is a mixture of experts (llama.expert_count)"),
                refused(g -> g.put("llama.logit_scale", 2f), "metadata llama.logit_scale 2.0 is not supported"),
                refused(g -> g.without("llama.embedding_length"), "metadata llama.embedding_length is missing"),
                refused(
                        g -> g.without("llama.attention.layer_norm_rms_epsilon"),
                        "metadata llama.attention.layer_norm_rms_epsilon is missing"),
                refused(
                        g -> g.integers("llama.attention.head_count_kv", List.of(1, 1)),
                        "llama.attention.head_count_kv is a list of 2, not a whole number"),
                refused(
                        g -> g.put("llama.rope.dimension_count", 2),
                        "llama.rope.dimension_count 2 is not supported; only 4, the length of a key, is"),
                refused(
                        g -> g.put("llama.block_count", -1),
                        "metadata for num_hidden_layers is 4294967295, not a whole number of 31 bits"),
                refused(
                        g -> as("qwen2", g).put("qwen2.attention.sliding_window", 32),
                        "qwen2.attention.sliding_window 32 is not supported"),
                refused(
                        g -> g.put("llama.rope.scaling.type", "yarn").tensor("rope_freqs.weight", NOTHING),
                        "has both rope_freqs.weight and llama.rope.scaling.type yarn"));
    }

    private static Arguments refused(UnaryOperator<Gguf> change, String message) {
        return Arguments.of(change, message);
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("unsupported")
    void whatCannotBeSaidIsRefusedByName(UnaryOperator<Gguf> change, String message) {
        assertThatThrownBy(() -> config(change))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(directory.toString())
                .hasMessageContaining(message);
    }

    @Test
    void aFileWithoutAnEmbeddingIsRefused() {
        Path path = TinyGguf.metadata().write(directory.resolve("a.gguf"));
        try (GgufFile file = GgufFile.open(path)) {
            assertThatThrownBy(() -> GgufConfig.of(file)).hasMessage(path + ": missing tensors: token_embd.weight");
        }
    }

    private JsonNode config(UnaryOperator<Gguf> change) {
        Gguf gguf = change.apply(TinyGguf.metadata().tensor("token_embd.weight", NOTHING));
        try (GgufFile file = GgufFile.open(gguf.write(directory.resolve("a.gguf")))) {
            return GgufConfig.of(file);
        }
    }

    private static Gguf as(String architecture, Gguf gguf) {
        return gguf.put("general.architecture", architecture)
                .put(architecture + ".embedding_length", 8)
                .put(architecture + ".feed_forward_length", 12)
                .put(architecture + ".block_count", 2)
                .put(architecture + ".attention.head_count", 2)
                .put(architecture + ".attention.layer_norm_rms_epsilon", 1e-6f)
                .put(architecture + ".context_length", 64);
    }
}
