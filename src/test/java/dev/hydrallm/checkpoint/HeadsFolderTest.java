package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.Shared;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TinyGguf;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Draft heads that are written, and what new ones begin with. */
final class HeadsFolderTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    void whatIsWrittenIsRead(DType dtype) throws IOException {
        TinyCheckpoint.writeBase(folder.resolve("base"), TinyCheckpoint.base(dtype));
        Map<String, TestTensor> tensors = heads(dtype);
        Path safetensors = folder.resolve("safetensors");
        new HeadsFolder(safetensors).writeSafetensors(entries(tensors), values(tensors));
        new HeadsFolder(safetensors).writeConfig(new DraftLayout(2, 1, 1, false), "../base", Map.of("extra", 1));
        Path torch = folder.resolve("torch");
        new HeadsFolder(torch).writeTorch(entries(tensors), values(tensors));
        new HeadsFolder(torch).writeConfig(new DraftLayout(2, 1, 1, false), "../base", Map.of());

        for (Path written : List.of(safetensors, torch)) {
            try (Checkpoint checkpoint = Checkpoint.open(written, Optional.empty(), warning -> {
                throw new AssertionError(warning);
            })) {
                assertThat(checkpoint.layout()).isEqualTo(new DraftLayout(2, 1, 1, false));
                assertThat(checkpoint.headTensors()).hasSameSizeAs(tensors);
                tensors.forEach((name, tensor) -> {
                    SourceTensor read =
                            Objects.requireNonNull(checkpoint.headTensors().get(name));
                    assertThat(read.dtype()).isEqualTo(dtype);
                    assertThat(numbers(read)).isEqualTo(tensor.values());
                });
                // All shapes fit the base.
                assertThat(new PackSource(checkpoint)).isNotNull();
            }
            assertThat(written).isDirectoryNotContaining(file -> file.toString().endsWith(".unfinished"));
        }
    }

    /** As {@code torch.save} since 2.6 writes it. */
    @Test
    void aTorchFileLooksAsTorchWritesIt() throws IOException {
        Map<String, TestTensor> tensors = heads(DType.F16);
        new HeadsFolder(folder).writeTorch(entries(tensors), values(tensors));

        assertThat(structure(folder.resolve("medusa_lm_head.pt")))
                .containsEntry("0.0.linear.bias", "F16 [8] [1]")
                .containsEntry("1.1.weight", "F16 [16, 8] [8, 1]")
                .containsEntry("weight", "F16 [8] [1]")
                .containsEntry("0.mlp.down_proj.weight", "F16 [8, 12] [12, 1]")
                .hasSameSizeAs(tensors);
    }

    @Test
    void aTorchFileHasTheStructureOfTheSharedOnes() throws IOException {
        for (int layers = 0; layers <= 2; layers++) {
            Path shared = Shared.models().resolve("pycoder-hydra-" + layers + "l");
            Path written = folder.resolve("written" + layers);
            try (Checkpoint checkpoint = Checkpoint.open(shared, Optional.empty(), warning -> {})) {
                List<TensorWriter.Entry> entries = checkpoint.headTensors().entrySet().stream()
                        .map(each -> new TensorWriter.Entry(
                                each.getKey(),
                                each.getValue().dtype(),
                                each.getValue().shape()))
                        .toList();
                new HeadsFolder(written)
                        .writeTorch(
                                entries,
                                (entry, into) -> into.put(numbers(Objects.requireNonNull(
                                        checkpoint.headTensors().get(entry.name())))));
            }

            Map<String, String> expected = structure(shared.resolve("medusa_lm_head.pt"));
            assertThat(structure(written.resolve("medusa_lm_head.pt"))).isEqualTo(expected);
            try (TorchFile one = TorchFile.open(written.resolve("medusa_lm_head.pt"));
                    TorchFile other = TorchFile.open(shared.resolve("medusa_lm_head.pt"))) {
                other.tensors()
                        .forEach((name, tensor) -> assertThat(numbers(
                                        Objects.requireNonNull(one.tensors().get(name))))
                                .isEqualTo(numbers(tensor)));
            }
        }
    }

    /** The tensors by name, once every entry is found stored and aligned. */
    private static Map<String, String> structure(Path file) throws IOException {
        try (ZipFile zip = ZipFile.builder().setPath(file).get()) {
            List<ZipArchiveEntry> entries = Collections.list(zip.getEntries());
            assertThat(entries).allMatch(entry -> entry.getMethod() == ZipArchiveEntry.STORED);
            assertThat(entries).allMatch(entry -> entry.getDataOffset() % TorchWriter.ALIGNMENT == 0);
            assertThat(entries.stream()
                            .map(ZipArchiveEntry::getName)
                            .map(name -> name.substring(name.indexOf('/') + 1)))
                    .contains("data.pkl", ".format_version", ".storage_alignment", "byteorder", "data/0", "version");
        }
        Map<String, String> structure = new LinkedHashMap<>();
        try (TorchFile torch = TorchFile.open(file)) {
            torch.tensors()
                    .forEach((name, tensor) -> structure.put(
                            name, tensor.dtype() + " " + tensor.shape() + " " + ((StridedTensor) tensor).strides()));
        }
        return structure;
    }

    @Test
    void aWeightThatTheTypeCannotHoldIsRefusedAndNothingIsLeft() {
        List<TensorWriter.Entry> entries =
                List.of(TensorWriter.Entry.of("medusa_head.0.0.linear.bias", DType.F16, new int[] {1}));
        HeadsFolder heads = new HeadsFolder(folder);

        assertThatThrownBy(() -> heads.writeSafetensors(entries, (entry, into) -> into.put(70_000f)))
                .hasMessageContaining("medusa_head.0.0.linear.bias: the weight 70000.0 is too large for F16");
        assertThatThrownBy(() -> heads.writeTorch(entries, (entry, into) -> into.put(Float.NaN)))
                .hasMessageContaining("is no finite number");
        assertThatThrownBy(() -> heads.writeTorch(entries, (entry, into) -> {}))
                .hasMessageContaining("1 of 1 numbers are missing");
        assertThat(folder).isEmptyDirectory();
        assertThatThrownBy(() -> TensorWriter.Entry.of("a", DType.I8, new int[] {1}))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void bfloat16IsRoundedToTheNearestAndTheEvenOne() throws IOException {
        // 1 + 1/256 lies in the middle of 1 and 1 + 1/128, whose last bits are 0 and 1; 1 + 3/256 of that and 1 +
        // 2/128.
        float[] numbers = {1 + 1 / 256f, 1 + 3 / 256f, 1 + 1.01f / 256, -1 - 1 / 256f, 3.3e38f};
        Path file = folder.resolve("a.safetensors");
        TensorWriter.safetensors(
                file,
                List.of(TensorWriter.Entry.of("a", DType.BF16, new int[] {5})),
                (entry, into) -> into.put(numbers));

        try (TensorSource source = TensorSource.open(file)) {
            assertThat(numbers(Objects.requireNonNull(source.tensors().get("a"))))
                    .containsExactly(1, 1 + 2 / 128f, 1 + 1 / 128f, -1, Float.intBitsToFloat(0x7f78 << 16));
        }
    }

    @Test
    void headsThatReadTheNextTokenSaySoAndHaveNoTorchFile() throws IOException {
        DraftLayout layout = new DraftLayout(2, 1, 1, true, Set.of(DraftPart.NEXT_TOKEN));
        new HeadsFolder(folder).writeConfig(layout, "../base", Map.of());
        assertThat(folder.resolve("config.json")).content().contains("\"medusa_next_token\" : true");
        assertThatThrownBy(() -> HeadsFolder.checkTorch(layout)).hasMessageContaining("leave out --export-pt");
        HeadsFolder.checkTorch(new DraftLayout(2, 1, 1, true));
    }

    @Test
    void newHeadsBeginAsCopiesOfTheBase() {
        Path base = TinyCheckpoint.writeBase(folder.resolve("base"), TinyCheckpoint.base(DType.F16));
        Map<String, TestTensor> tensors = TinyCheckpoint.base(DType.F16);
        try (StartingWeights start = StartingWeights.forked(base, new DraftLayout(2, 2, 1, false), 7, warning -> {})) {
            assertThat(start.dtype()).isEqualTo(DType.F16);
            assertThat(read(start, "medusa_decoder_layers.0.self_attn.q_proj.weight", 8, 8))
                    .isEqualTo(values(tensors, "model.layers.1.self_attn.q_proj.weight"));
            assertThat(read(start, "medusa_rms_norm.weight", 8)).isEqualTo(values(tensors, "model.norm.weight"));
            assertThat(read(start, "medusa_head.1.2.weight", 16, 8)).isEqualTo(values(tensors, "lm_head.weight"));
            assertThat(read(start, "medusa_head.0.1.linear.weight", 8, 8)).containsOnly(0);
            assertThat(read(start, "medusa_next_token.weight", 8, 8)).containsOnly(0);
            float[] bias = read(start, "medusa_head.0.0.linear.bias", 8);
            float bound = (float) (1 / Math.sqrt(8));
            assertThat(bias).isEqualTo(read(start, "medusa_head.0.0.linear.bias", 8));
            assertThat(bias).isNotEqualTo(read(start, "medusa_head.1.0.linear.bias", 8));
            assertThat(bias).isNotEqualTo(read(start, "medusa_head.0.1.linear.bias", 8));
            for (float each : bias) {
                assertThat(each).isBetween(-bound, bound).isNotZero();
            }
            assertThatThrownBy(() -> read(start, "medusa_decoder_layers.0.self_attn.q_proj.weight", 8, 9))
                    .hasMessageContaining("should be [8, 9] and is [8, 8]");
            assertThatThrownBy(() -> read(start, "medusa_decoder_layers.0.self_attn.q_norm.weight", 8))
                    .hasMessageContaining("model.layers.1.self_attn.q_norm.weight is missing");
        }
        try (StartingWeights start = StartingWeights.forked(base, new DraftLayout(1, 1, 2, false), 8, warning -> {})) {
            assertThat(read(start, "medusa_decoder_layers.0.mlp.up_proj.weight", 12, 8))
                    .isEqualTo(values(tensors, "model.layers.0.mlp.up_proj.weight"));
        }
        assertThatThrownBy(() -> StartingWeights.forked(base, new DraftLayout(1, 1, 3, false), 8, warning -> {}))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("3 layers cannot be forked of a model that has 2");
    }

    /** torch's own: uniform, whatever the seed. */
    @Test
    void biasesAreUniform() {
        Path base = TinyCheckpoint.writeBase(folder.resolve("base"), TinyCheckpoint.base(DType.F32));
        double sum = 0;
        double squares = 0;
        for (int seed = 0; seed < 1000; seed++) {
            try (StartingWeights start =
                    StartingWeights.forked(base, new DraftLayout(1, 1, 0, false), seed, warning -> {})) {
                for (float each : read(start, "medusa_head.0.0.linear.bias", 8)) {
                    sum += each / 8000;
                    squares += each * each / 8000;
                }
            }
        }
        assertThat(sum).isCloseTo(0, within(0.01));
        assertThat(squares).isCloseTo(1 / 8.0 / 3, within(0.002));
    }

    @Test
    void aGgufBaseGivesTheSameTensors() throws IOException {
        Path base = TinyCheckpoint.writeBase(folder.resolve("base"), TinyCheckpoint.base(DType.F16));
        Path gguf = TinyGguf.base(DType.F16).write(folder.resolve("base.gguf"));
        DraftLayout layout = new DraftLayout(1, 1, 1, false);
        try (StartingWeights one = StartingWeights.forked(base, layout, 1, warning -> {});
                StartingWeights other = StartingWeights.forked(gguf, layout, 1, warning -> {})) {
            for (String name : List.of("q", "k")) {
                String tensor = "medusa_decoder_layers.0.self_attn." + name + "_proj.weight";
                int rows = name.equals("q") ? 8 : 4;
                assertThat(read(other, tensor, rows, 8)).isEqualTo(read(one, tensor, rows, 8));
            }
        }
    }

    @Test
    void tiedEmbeddingsAreTheLastMatrix() {
        Map<String, TestTensor> tensors = TinyCheckpoint.base(DType.F32);
        tensors.remove("lm_head.weight");
        Path base = TinyCheckpoint.writeBase(
                folder.resolve("base"),
                TinyCheckpoint.CONFIG.replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true"),
                tensors);
        try (StartingWeights start = StartingWeights.forked(base, new DraftLayout(1, 1, 0, false), 1, warning -> {})) {
            assertThat(read(start, "medusa_head.0.1.weight", 16, 8))
                    .isEqualTo(values(tensors, "model.embed_tokens.weight"));
        }
    }

    @Test
    void headsThatExistGoOn() throws IOException {
        Path base = TinyCheckpoint.writeBase(folder.resolve("base"), TinyCheckpoint.base(DType.F32));
        Map<String, TestTensor> tensors = heads(DType.F32);
        Path heads = folder.resolve("heads");
        new HeadsFolder(heads).writeSafetensors(entries(tensors), values(tensors));
        new HeadsFolder(heads).writeConfig(new DraftLayout(2, 1, 1, false), "../base", Map.of());
        try (StartingWeights start = StartingWeights.of(heads, base, warning -> {})) {
            assertThat(start.layout()).isEqualTo(new DraftLayout(2, 1, 1, false));
            tensors.forEach((name, tensor) -> assertThat(read(
                            start,
                            name,
                            tensor.shape().stream().mapToInt(Long::intValue).toArray()))
                    .isEqualTo(tensor.values()));
        }
        assertThatThrownBy(() -> StartingWeights.of(base, base, warning -> {})).hasMessageContaining("no draft heads");
        assertThatThrownBy(() -> StartingWeights.forked(heads, new DraftLayout(1, 1, 0, false), 1, warning -> {}))
                .hasMessageContaining("holds draft heads");
    }

    private static float[] read(StartingWeights start, String name, int... shape) {
        FloatBuffer numbers = FloatBuffer.allocate(Arrays.stream(shape).reduce(1, (a, b) -> a * b));
        start.read(name, shape, numbers);
        assertThat(numbers.hasRemaining()).isFalse();
        return numbers.array();
    }

    private static float[] values(Map<String, TestTensor> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name)).values();
    }

    /** Two heads on a forked layer, under the names they are written by. */
    private static Map<String, TestTensor> heads(DType dtype) {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        TinyCheckpoint.forked(dtype, 1)
                .forEach((name, tensor) -> tensors.put(
                        name.equals("weight") ? "medusa_rms_norm.weight" : "medusa_decoder_layers." + name, tensor));
        TinyCheckpoint.medusa(dtype, 2, 1).forEach((name, tensor) -> tensors.put("medusa_head." + name, tensor));
        return tensors;
    }

    private static List<TensorWriter.Entry> entries(Map<String, TestTensor> tensors) {
        return tensors.entrySet().stream()
                .map(each -> new TensorWriter.Entry(
                        each.getKey(), each.getValue().dtype(), each.getValue().shape()))
                .toList();
    }

    private static TensorWriter.Values values(Map<String, TestTensor> tensors) {
        return (entry, into) -> into.put(values(tensors, entry.name()));
    }

    private static float[] numbers(SourceTensor tensor) {
        int columns = Math.toIntExact(tensor.shape().getLast());
        int rows =
                tensor.shape().size() == 1 ? 1 : Math.toIntExact(tensor.shape().getFirst());
        float[] numbers = new float[rows * columns];
        float[] row = new float[columns];
        for (int i = 0; i < rows; i++) {
            tensor.readRow(i, row);
            System.arraycopy(row, 0, numbers, i * columns, columns);
        }
        return numbers;
    }
}
