package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.quantization.FourBit;
import dev.hydrallm.quantization.Int4;
import dev.hydrallm.quantization.Nf4;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.WideCheckpoint;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a pack of 4-bit weights holds. */
class FourBitPackTest {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "int4-g32",
                "int4-g64",
                "int4-g32-asym",
                "int4-g64-asym",
                "nf4",
            })
    void aPackHoldsTheCodesOfItsSources(String name) throws IOException {
        WeightFormat format = WeightFormat.named(name);
        try (PackedModel pack = pack(WideCheckpoint.writeHeads(directory, DType.F16), Quantization.of(format))) {
            assertThat(pack.manifest().quantization())
                    .containsEntry(TensorGroup.LAYERS, format)
                    .containsEntry(TensorGroup.FORKED_LAYERS, format)
                    .containsEntry(TensorGroup.HEADS, format)
                    .containsEntry(TensorGroup.EMBEDDING, WeightFormat.INT8)
                    .containsEntry(TensorGroup.LM_HEAD, WeightFormat.INT8);
            assertCodes(pack, format, "layers.1.down", source("model.layers.1.mlp.down_proj.weight"));
            assertCodes(pack, format, "heads.1.lm_head", head("1.1.weight"));
            assertCodes(pack, format, "fork.0.o", forked("0.self_attn.o_proj.weight"));
        }
    }

    /** The tensors of a matrix against what the codecs make of its source. */
    private static void assertCodes(PackedModel pack, WeightFormat format, String name, TestTensor source) {
        int rows = Math.toIntExact(source.shape().getFirst());
        int columns = Math.toIntExact(source.shape().getLast());
        byte[] packed = pack.tensor(name + ".weight").data().toArray(ValueLayout.JAVA_BYTE);
        float[] absmaxes = new float[rows * (columns / 64)];
        IntFunction<FourBit.Levels> levels = levels(pack, format, name, columns);
        for (int r = 0; r < rows; r++) {
            float[] row = java.util.Arrays.copyOfRange(source.values(), r * columns, (r + 1) * columns);
            byte[] expected = new byte[columns / 2];
            switch (format) {
                case WeightFormat.Int4(int group, WeightFormat.Int4.Symmetry symmetry) -> {
                    short[] scales = new short[columns / group];
                    switch (symmetry) {
                        case SYMMETRIC -> Int4.encodeSymmetric(row, group, expected, scales);
                        case ASYMMETRIC ->
                            Int4.encodeAsymmetric(row, group, expected, scales, new short[columns / group]);
                    }
                }
                default -> {
                    float[] ofRow = new float[columns / 64];
                    Nf4.encode(row, expected, ofRow);
                    System.arraycopy(ofRow, 0, absmaxes, r * ofRow.length, ofRow.length);
                }
            }
            assertThat(java.util.Arrays.copyOfRange(packed, r * columns / 2, (r + 1) * columns / 2))
                    .as("%s row %d", name, r)
                    .isEqualTo(expected);
            float[] decoded = new float[columns];
            int group = format instanceof WeightFormat.Int4 int4 ? int4.groupSize() : 64;
            FourBit.decode(expected, group, levels.apply(r), decoded);
            for (int i = 0; i < columns; i++) {
                // Weights are up to an eighth: a step is at most 1/60, nf4's widest gap 0.304 of an eighth.
                assertThat(Math.abs(decoded[i] - row[i]))
                        .as("%s row %d", name, r)
                        .isLessThan(0.02f);
            }
        }
        if (format instanceof WeightFormat.Nf4) {
            Nf4.Absmaxes expected = Nf4.Absmaxes.encode(absmaxes);
            assertThat(pack.tensor(name + ".absmax").data().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(expected.codes());
            assertThat(pack.tensor(name + ".absmax_scale").data().toArray(FLOAT))
                    .isEqualTo(expected.scales());
            assertThat(pack.tensor(name + ".absmax_mean").data().toArray(FLOAT)).containsExactly(expected.mean());
        }
    }

    private static IntFunction<FourBit.Levels> levels(PackedModel pack, WeightFormat format, String name, int columns) {
        return switch (format) {
            case WeightFormat.Int4(int group, WeightFormat.Int4.Symmetry symmetry) -> {
                int groups = columns / group;
                short[] scales = pack.tensor(name + ".scale").data().toArray(SHORT);
                yield switch (symmetry) {
                    case SYMMETRIC -> row -> Int4.symmetric(row(scales, row, groups));
                    case ASYMMETRIC -> {
                        short[] minima = pack.tensor(name + ".minimum").data().toArray(SHORT);
                        yield row -> Int4.asymmetric(row(scales, row, groups), row(minima, row, groups));
                    }
                };
            }
            default -> {
                Nf4.Absmaxes absmaxes = new Nf4.Absmaxes(
                        pack.tensor(name + ".absmax").data().toArray(ValueLayout.JAVA_BYTE),
                        pack.tensor(name + ".absmax_scale").data().toArray(FLOAT),
                        pack.tensor(name + ".absmax_mean").data().get(FLOAT, 0));
                int blocks = columns / 64;
                yield row -> Nf4.levels(absmaxes).groups(row * blocks, blocks);
            }
        };
    }

    private static short[] row(short[] all, int row, int length) {
        return java.util.Arrays.copyOfRange(all, row * length, (row + 1) * length);
    }

    @Test
    void everyGroupMayHaveItsOwnFormat() throws IOException {
        Quantization mixed =
                Quantization.INT4.withDraft(Optional.of(WeightFormat.NF4)).withEmbeddings(Optional.empty());
        try (PackedModel pack = pack(WideCheckpoint.writeHeads(directory, DType.F16), mixed)) {
            assertThat(pack.manifest().quantization())
                    .containsOnly(
                            Map.entry(TensorGroup.EMBEDDING, WeightFormat.F16),
                            Map.entry(TensorGroup.LM_HEAD, WeightFormat.F16),
                            Map.entry(TensorGroup.LAYERS, Quantization.DEFAULT_INT4),
                            Map.entry(TensorGroup.FORKED_LAYERS, WeightFormat.NF4),
                            Map.entry(TensorGroup.HEADS, WeightFormat.NF4));
        }
    }

    @Test
    void headsThatShareTheBasesLastMatrixKeepSharingIt() throws IOException {
        try (PackedModel pack = pack(WideCheckpoint.writeSharingHeads(directory, DType.F16), Quantization.INT4)) {
            assertThat(pack.draft().sharedLmHead()).isTrue();
            assertThat(pack.manifest().tensors().stream().map(tensor -> tensor.name()))
                    .contains("heads.1.residual.0.weight", "lm_head.weight")
                    .noneMatch(name -> name.startsWith("heads.1.lm_head"));
        }
    }

    @Test
    void packingTwiceGivesTheSameBytes() throws IOException {
        Path model = WideCheckpoint.writeHeads(directory, DType.F16);
        pack(model, Quantization.NF4).close();
        Files.move(directory.resolve("pack"), directory.resolve("first"));
        pack(model, Quantization.NF4).close();
        assertThat(directory.resolve("pack/weights.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("first/weights.safetensors"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"int4-g64", "int4-g32-asym", "nf4"})
    void aFlippedBitAnywhereIsRefused(String format) throws IOException {
        Path model = WideCheckpoint.writeHeads(directory, DType.F16);
        pack(model, Quantization.of(WeightFormat.named(format))).close();
        Path weights = directory.resolve("pack/weights.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        for (int at = 0; at < bytes.length; at += Math.max(1, bytes.length / 97)) {
            byte before = bytes[at];
            bytes[at] ^= (byte) (1 << at % 8);
            Files.write(weights, bytes);
            assertThatThrownBy(() -> PackedModel.open(directory.resolve("pack")))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("weights.safetensors");
            bytes[at] = before;
        }
    }

    @Test
    void columnsThatDoNotDivideIntoGroupsAreRefusedByNameAndLeaveNothing() throws IOException {
        Path model = WideCheckpoint.writeBase(directory.resolve("base"), DType.F32);
        Quantization wide = Quantization.of(new WeightFormat.Int4(128, WeightFormat.Int4.Symmetry.SYMMETRIC));
        assertThatThrownBy(() -> pack(model, wide))
                .isInstanceOf(ModelFormatException.class)
                .hasMessage(model.resolve("model.safetensors") + ": layers.0.qkv has 64 columns, which do not divide"
                        + " into groups of 128 for 4 bits: choose int4 with a smaller group, or int8");
        assertThat(directory.resolve("pack")).doesNotExist();
    }

    @Test
    void aWeightThatIsTooLargeIsRefusedByName() {
        TestTensor large = TestTensor.random(DType.F32, 1, 64, 128);
        large.values()[700] = 70_000;
        Path model = WideCheckpoint.writeBase(
                directory.resolve("base"), DType.F32, Map.of("model.layers.1.mlp.down_proj.weight", large));
        assertThatThrownBy(() -> pack(model, Quantization.INT4))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("layers.1.down: a weight is 70000.0, 4 bits hold up to 65504.0: use int8");
    }

    private static TestTensor source(String name) {
        return wide(TinyCheckpoint.base(DType.F16), name);
    }

    private static TestTensor head(String name) {
        return wide(TinyCheckpoint.medusa(DType.F16, 2, 1), name);
    }

    private static TestTensor forked(String name) {
        return wide(TinyCheckpoint.forked(DType.F16, 1), name);
    }

    private static TestTensor wide(Map<String, TestTensor> tensors, String name) {
        return WideCheckpoint.tensor(name, Objects.requireNonNull(tensors.get(name), name));
    }

    private PackedModel pack(Path model, Quantization quantization) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(model, Optional.empty(), warning -> {})) {
            Packer.Options options = new Packer.Options(quantization, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, directory.resolve("pack"), (bytes, total) -> {});
        }
        return PackedModel.open(directory.resolve("pack"));
    }
}
