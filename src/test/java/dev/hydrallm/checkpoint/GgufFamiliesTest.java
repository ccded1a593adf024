package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.Gguf;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TinyGguf;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongFunction;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What other families than Llama add comes out of a GGUF file as out of their own checkpoint. */
class GgufFamiliesTest {
    @TempDir
    Path directory;

    @Test
    void qwen2KeepsTheOrderOfItsRowsAndHasBiases() throws IOException {
        assertSamePack("\"model_type\": \"qwen2\"", "qwen2", g -> g, seed -> TinyCheckpoint.qkvBiases(DType.F32, seed));
    }

    @Test
    void qwen3NormsItsHeads() throws IOException {
        assertSamePack(
                "\"model_type\": \"qwen3\", \"head_dim\": 4",
                "qwen3",
                g -> g,
                seed -> TinyCheckpoint.headNorms(DType.F32, seed));
    }

    @Test
    void aLlamaMayHaveBiases() throws IOException {
        assertSamePack(
                "\"model_type\": \"llama\", \"attention_bias\": true",
                "llama",
                g -> g,
                seed -> TinyCheckpoint.join(List.of(
                        TinyCheckpoint.qkvBiases(DType.F32, seed), TinyCheckpoint.outputBias(DType.F32, seed))));
    }

    @Test
    void mistralsWindowIsKept() throws IOException {
        assertSamePack(
                "\"model_type\": \"mistral\", \"sliding_window\": 16",
                "llama",
                g -> g.put("llama.attention.sliding_window", 16),
                seed -> Map.of());
    }

    @Test
    void yarnIsTheSameInBothWords() throws IOException {
        assertSamePack(
                "\"model_type\": \"qwen2\", \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0,"
                        + " \"original_max_position_embeddings\": 16}",
                "qwen2",
                g -> g.put("qwen2.rope.scaling.type", "yarn")
                        .put("qwen2.rope.scaling.factor", 4f)
                        .put("qwen2.rope.scaling.original_context_length", 16),
                seed -> TinyCheckpoint.qkvBiases(DType.F32, seed));
    }

    @Test
    void llama3sFactorsAreItsScaling() throws IOException {
        assertSamePack(
                "\"model_type\": \"llama\", \"rope_theta\": 4000000.0, \"rope_scaling\": {\"rope_type\": \"llama3\","
                        + " \"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0,"
                        + " \"original_max_position_embeddings\": 8192}",
                "llama",
                // Wavelengths 6.28 and 12,566 of a head of four: the second is beyond the original context.
                g -> g.put("llama.rope.freq_base", 4e6f)
                        .tensor("rope_freqs.weight", new TestTensor(DType.F32, List.of(2L), new float[] {1, 8})),
                seed -> Map.of());
    }

    private void assertSamePack(
            String config, String architecture, UnaryOperator<Gguf> change, LongFunction<Map<String, TestTensor>> added)
            throws IOException {
        Map<String, TestTensor> tensors = new LinkedHashMap<>(TinyCheckpoint.base(DType.F32));
        for (int i = 0; i < TinyCheckpoint.LAYERS; i++) {
            tensors.putAll(TinyCheckpoint.prefixed("model.layers." + i + ".", added.apply(100L * (i + 1))));
        }
        Path base = TinyCheckpoint.writeBase(
                directory.resolve("base"), TinyCheckpoint.CONFIG.replace("\"model_type\": \"llama\"", config), tensors);
        Gguf gguf = change.apply(TinyGguf.metadata())
                .put("general.architecture", architecture)
                .put(architecture + ".embedding_length", TinyCheckpoint.HIDDEN)
                .put(architecture + ".feed_forward_length", TinyCheckpoint.INTERMEDIATE)
                .put(architecture + ".block_count", TinyCheckpoint.LAYERS)
                .put(architecture + ".attention.head_count", 2)
                .put(architecture + ".attention.head_count_kv", 1)
                .put(architecture + ".attention.layer_norm_rms_epsilon", 1e-5f)
                .put(architecture + ".context_length", 64);
        tensors.forEach((name, tensor) -> gguf.tensor(
                TinyGguf.nameOf(name), architecture.equals("llama") ? TinyGguf.permuted(name, tensor) : tensor));
        try (PackedModel expected = pack(base, "expected");
                PackedModel actual = pack(gguf.write(directory.resolve("tiny.gguf")), "actual")) {
            assertThat(actual.architecture()).isEqualTo(expected.architecture());
            assertThat(actual.directory().resolve("weights.safetensors"))
                    .hasSameBinaryContentAs(expected.directory().resolve("weights.safetensors"));
        }
    }

    private PackedModel pack(Path model, String to) throws IOException {
        Path pack = directory.resolve(to);
        try (Checkpoint checkpoint = Checkpoint.open(model, Optional.empty(), warning -> {})) {
            Packer.Options options = new Packer.Options(Quantization.NONE, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, pack, (bytes, total) -> {});
        }
        return PackedModel.open(pack);
    }
}
