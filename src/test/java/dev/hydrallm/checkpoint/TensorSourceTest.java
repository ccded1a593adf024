package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TensorSourceTest {
    private static final TestTensor ONE = TestTensor.random(DType.F32, 1, 2, 2);
    private static final TestTensor TWO = TestTensor.random(DType.F16, 2, 3);

    @TempDir
    Path directory;

    @Test
    void aSafetensorsFileIsPreferredToAPickle() {
        TinyCheckpoint.safetensors(directory.resolve("model.safetensors"), Map.of("a", ONE));
        TorchZip.save(directory.resolve("pytorch_model.bin"), Map.of("b", TWO));
        try (TensorSource source = TensorSource.model(directory)) {
            assertThat(source.tensors()).containsOnlyKeys("a");
        }
    }

    @Test
    void safetensorsShardsAreJoined() {
        TinyCheckpoint.safetensors(directory.resolve("model-1.safetensors"), Map.of("a", ONE));
        TinyCheckpoint.safetensors(directory.resolve("model-2.safetensors"), Map.of("b", TWO));
        index("model.safetensors", "{\"a\": \"model-1.safetensors\", \"b\": \"model-2.safetensors\"}");
        assertBoth();
    }

    @Test
    void pickledShardsAreJoined() {
        TorchZip.save(directory.resolve("pytorch_model-1.bin"), Map.of("a", ONE));
        TorchZip.save(directory.resolve("pytorch_model-2.bin"), Map.of("b", TWO));
        index("pytorch_model.bin", "{\"a\": \"pytorch_model-1.bin\", \"b\": \"pytorch_model-2.bin\"}");
        assertBoth();
    }

    @Test
    void aMissingShardIsRefusedByName() {
        TinyCheckpoint.safetensors(directory.resolve("model-1.safetensors"), Map.of("a", ONE));
        index("model.safetensors", "{\"a\": \"model-1.safetensors\", \"b\": \"model-2.safetensors\"}");
        assertRefused("model-2.safetensors: no such file");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"../x.safetensors\"",
                "\"/etc/passwd\"",
                "\"sub/x.safetensors\"",
                "\"..\"",
                "\"\"",
                "\".\"",
                "\"a\\u0000b\"",
                "5",
                "null",
                "[\"x\"]"
            })
    void anIndexThatNamesAnythingButAFileBesideItIsRefused(String shard) {
        index("model.safetensors", "{\"a\": " + shard + "}");
        assertRefused("is no file name");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "[]", "7", "null"})
    void anIndexWithoutAMapIsRefused(String map) {
        index("model.safetensors", map);
        assertRefused("no weight_map");
    }

    @Test
    void aTensorInTwoShardsIsRefusedByName() {
        TinyCheckpoint.safetensors(directory.resolve("model-1.safetensors"), Map.of("a", ONE));
        TinyCheckpoint.safetensors(directory.resolve("model-2.safetensors"), Map.of("a", ONE, "b", TWO));
        index("model.safetensors", "{\"a\": \"model-1.safetensors\", \"b\": \"model-2.safetensors\"}");
        assertRefused("tensor a stands in two shards");
    }

    @Test
    void aShardThatLacksWhatTheIndexSaysIsRefusedByThatName() {
        TinyCheckpoint.safetensors(directory.resolve("model-1.safetensors"), Map.of("a", ONE));
        index("model.safetensors", "{\"a\": \"model-1.safetensors\", \"b\": \"model-1.safetensors\"}");
        assertRefused("model-1.safetensors: missing tensors: b");
    }

    @Test
    void aShardWithMoreThanTheIndexSaysIsRefusedByThatName() {
        TinyCheckpoint.safetensors(directory.resolve("model-1.safetensors"), Map.of("a", ONE, "b", TWO));
        index("model.safetensors", "{\"a\": \"model-1.safetensors\"}");
        assertRefused("model-1.safetensors: unexpected tensors: b");
    }

    @Test
    void aDirectoryWithoutWeightsSaysWhatItLookedFor() {
        assertRefused("no weights found; looked for model.safetensors");
    }

    private void index(String weights, String map) {
        TinyCheckpoint.text(
                directory.resolve(weights + ".index.json"), "{\"metadata\": {}, \"weight_map\": " + map + "}");
    }

    private void assertBoth() {
        try (TensorSource source = TensorSource.model(directory)) {
            assertThat(source.tensors()).containsOnlyKeys("a", "b");
            assertThat(source.tensors().get("a")).satisfies(a -> {
                float[] row = new float[2];
                a.readRow(1, row);
                assertThat(row).containsExactly(ONE.values()[2], ONE.values()[3]);
            });
            assertThat(source.tensors().get("b"))
                    .extracting(SourceTensor::dtype)
                    .isEqualTo(DType.F16);
        }
    }

    private void assertRefused(String part) {
        assertThatThrownBy(() -> TensorSource.model(directory).close())
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(directory.toString())
                .hasMessageContaining(part);
    }
}
