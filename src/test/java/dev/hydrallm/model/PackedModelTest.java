package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PackedModelTest {
    @TempDir
    Path directory;

    @Test
    void aWholePackGivesEveryTensorOfItsLayoutAligned() throws IOException {
        PackFixture.write(directory, UnaryOperator.identity());
        try (PackedModel model = PackedModel.open(directory)) {
            assertThat(model.architecture()).isEqualTo(PackFixture.ARCHITECTURE);
            assertThat(model.draft()).isEqualTo(PackFixture.DRAFT);
            assertThat(model.tokenizerFile()).exists();
            for (PackLayout.Stored stored : PackFixture.tensors()) {
                TensorView tensor = model.tensor(stored.name());
                assertThat(tensor.shape()).isEqualTo(stored.shape());
                assertThat(tensor.data().address() % 4096).isZero();
            }
        }
    }

    @Test
    void theLayoutIsTheOneTheEngineIsWrittenAgainst() {
        assertThat(PackFixture.tensors().stream().map(PackLayout.Stored::toString))
                .contains(
                        "Stored[name=embedding.weight, dtype=I8, shape=[8, 4]]",
                        "Stored[name=embedding.scale, dtype=F32, shape=[8]]",
                        "Stored[name=layers.1.attention_norm, dtype=F32, shape=[4]]",
                        "Stored[name=layers.1.qkv.weight, dtype=F16, shape=[8, 4]]",
                        "Stored[name=layers.1.o.weight, dtype=F16, shape=[4, 4]]",
                        "Stored[name=layers.1.gate_up.weight, dtype=F16, shape=[12, 4]]",
                        "Stored[name=layers.1.down.weight, dtype=F16, shape=[4, 6]]",
                        "Stored[name=norm, dtype=F32, shape=[4]]",
                        "Stored[name=fork.0.qkv.weight, dtype=F32, shape=[8, 4]]",
                        "Stored[name=fork.norm, dtype=F32, shape=[4]]",
                        "Stored[name=heads.1.residual.0.weight, dtype=I8, shape=[4, 4]]",
                        "Stored[name=heads.1.residual.0.bias, dtype=F32, shape=[4]]",
                        "Stored[name=heads.1.lm_head.scale, dtype=F32, shape=[8]]")
                .noneMatch(tensor -> tensor.startsWith("Stored[name=lm_head"));
    }

    @Test
    void onlyADirectoryWithAManifestIsAPack() throws IOException {
        assertThat(PackedModel.isPack(directory)).isFalse();
        PackFixture.write(directory, UnaryOperator.identity());
        assertThat(PackedModel.isPack(directory)).isTrue();
    }

    @Test
    void oneAlteredByteOfTheWeightsIsNoticed() throws IOException {
        PackFixture.write(directory, UnaryOperator.identity());
        Path weights = directory.resolve("weights.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 1] = 1;
        Files.write(weights, bytes);
        assertRefused("weights.safetensors: SHA-256 of the bytes 0 to ");
    }

    @Test
    void anAlteredTokenizerIsNoticed() throws IOException {
        PackFixture.write(directory, UnaryOperator.identity());
        Files.writeString(directory.resolve("tokenizer.json"), "[]");
        assertRefused("tokenizer.json: SHA-256 of the bytes 0 to 1 is ");
    }

    @Test
    void missingFilesAreNamed() throws IOException {
        PackFixture.write(directory, UnaryOperator.identity());
        Files.delete(directory.resolve("weights.safetensors"));
        assertRefused("weights.safetensors: no such file");
        Files.delete(directory.resolve("tokenizer.json"));
        assertRefused("tokenizer.json: cannot be read");
        Files.delete(directory.resolve("hydra.json"));
        assertRefused("hydra.json: no such file");
    }

    @Test
    void allWrongTensorsAreListedInOneError() throws IOException {
        PackFixture.write(directory, tensors -> {
            tensors.removeIf(
                    tensor -> tensor.name().equals("norm") || tensor.name().equals("fork.norm"));
            tensors.replaceAll(tensor -> tensor.name().equals("layers.0.o.weight")
                    ? new PackLayout.Stored(tensor.name(), DType.BF16, tensor.shape())
                    : tensor);
            tensors.replaceAll(tensor -> tensor.name().equals("layers.0.down.weight")
                    ? new PackLayout.Stored(tensor.name(), tensor.dtype(), List.of(6L, 4L))
                    : tensor);
            tensors.add(new PackLayout.Stored("extra", DType.F32, List.of(1L)));
            return tensors;
        });
        assertRefused(
                "weights.safetensors: missing tensors: norm, fork.norm; unexpected tensors: extra; wrong tensors: "
                        + "layers.0.o.weight (BF16 [4, 4] instead of F16 [4, 4]), "
                        + "layers.0.down.weight (F16 [6, 4] instead of F16 [4, 6])");
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> PackedModel.open(directory).close())
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(directory + "/" + message);
    }
}
