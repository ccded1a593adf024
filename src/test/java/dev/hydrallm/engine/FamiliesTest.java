package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.checkpoint.Packer;
import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongFunction;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** From a family's checkpoint through its pack to logits, against the formulas of the family's own code. */
class FamiliesTest {
    @TempDir
    Path folder;

    record Family(String config, LongFunction<Map<String, TestTensor>> added) {
        @Override
        public String toString() {
            return config;
        }
    }

    static List<Family> families() {
        return List.of(
                new Family("\"llama\"", seed -> Map.of()),
                new Family("\"qwen2\"", seed -> TinyCheckpoint.qkvBiases(DType.F32, seed)),
                new Family("\"qwen3\", \"head_dim\": 4", seed -> TinyCheckpoint.headNorms(DType.F32, seed)),
                new Family(
                        "\"llama\", \"attention_bias\": true",
                        seed -> TinyCheckpoint.join(List.of(
                                TinyCheckpoint.qkvBiases(DType.F32, seed),
                                TinyCheckpoint.outputBias(DType.F32, seed)))),
                new Family(
                        "\"qwen3\", \"head_dim\": 4, \"attention_bias\": true",
                        seed -> TinyCheckpoint.join(List.of(
                                TinyCheckpoint.qkvBiases(DType.F32, seed),
                                TinyCheckpoint.headNorms(DType.F32, seed),
                                TinyCheckpoint.outputBias(DType.F32, seed)))));
    }

    @ParameterizedTest
    @MethodSource("families")
    void aCheckpointsLogitsAreThoseOfItsFamilysFormulas(Family family) throws IOException {
        Map<String, TestTensor> tensors = new LinkedHashMap<>(TinyCheckpoint.base(DType.F32));
        for (int i = 0; i < TinyCheckpoint.LAYERS; i++) {
            tensors.putAll(TinyCheckpoint.prefixed(
                    "model.layers." + i + ".", family.added().apply(100L * (i + 1))));
        }
        // Smaller weights than the file's tests like: attention should look at more than one place.
        tensors.replaceAll((name, tensor) -> name.endsWith("proj.weight") ? quartered(tensor) : tensor);
        String config = TinyCheckpoint.CONFIG.replace("\"llama\"", family.config());
        Path base = TinyCheckpoint.writeBase(folder.resolve("base"), config, tensors);
        int[] tokens = {3, 14, 1, 5, 9, 2, 6, 5, 3};
        double[] expected =
                new HuggingFaceModel(tensors, TinyCheckpoint.HEAD_DIM).logits(TinyCheckpoint.LAYERS, tokens);
        try (PackedModel pack = pack(base);
                ModelEngine engine = ModelEngine.load(pack, new EngineOptions(1, 0, 1, 16, 16))) {
            float[] found = engine.program().logits(tokens);
            double largest = Arrays.stream(expected).map(Math::abs).max().orElseThrow();
            assertThat(found).hasSize(expected.length);
            for (int i = 0; i < found.length; i++) {
                assertThat((double) found[i]).as("logit %d", i).isCloseTo(expected[i], within(1e-5 * largest));
            }
        }
    }

    private static TestTensor quartered(TestTensor tensor) {
        float[] values = tensor.values().clone();
        for (int i = 0; i < values.length; i++) {
            values[i] /= 4;
        }
        return new TestTensor(tensor.dtype(), tensor.shape(), values);
    }

    private PackedModel pack(Path base) throws IOException {
        Path target = folder.resolve("pack");
        try (Checkpoint checkpoint = Checkpoint.open(base, Optional.empty(), warning -> {})) {
            Packer.Options options = new Packer.Options(Quantization.NONE, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, target, (bytes, total) -> {});
        }
        return PackedModel.open(target);
    }
}
