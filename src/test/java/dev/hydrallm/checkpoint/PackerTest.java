package dev.hydrallm.checkpoint;

import static dev.hydrallm.testing.TinyCheckpoint.HEAD_DIM;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.TensorView;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class PackerTest {
    private static final Packer.Progress SILENT = (bytes, total) -> {};

    @TempDir
    Path directory;

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F16", "BF16"})
    void anUnquantizedPackHoldsTheSourcesNumbers(DType dtype) throws IOException {
        try (PackedModel pack = pack(headsAndBase(dtype), Quantization.NONE)) {
            WeightFormat format = dtype == DType.F16 ? WeightFormat.F16 : WeightFormat.F32;
            assertThat(pack.manifest().quantization().values()).containsOnly(format);
            expected()
                    .forEach((name, values) ->
                            assertThat(weights(pack, name)).as(name).containsExactly(values));
        }
    }

    @Test
    void aQuantizedPackIsWithinHalfAScaleOfItsSources() throws IOException {
        try (PackedModel pack = pack(headsAndBase(DType.F16), Quantization.INT8)) {
            assertThat(pack.manifest().quantization().values()).containsOnly(WeightFormat.INT8);
            expected().forEach((name, values) -> {
                float[] scales = isVector(name) ? new float[] {0} : floats(pack.tensor(name + ".scale"));
                float[] found = weights(pack, name);
                assertThat(found).hasSameSizeAs(values);
                for (int i = 0; i < values.length; i++) {
                    float scale = scales[i / (values.length / scales.length)];
                    assertThat(found[i]).as(name).isCloseTo(values[i], within(0.5001f * scale));
                }
            });
        }
    }

    @Test
    void aGroupOfMixedTypesIsStoredInTheWiderOne() throws IOException {
        Map<String, TestTensor> base = new HashMap<>(TinyCheckpoint.base(DType.F16));
        base.computeIfPresent("model.layers.1.mlp.up_proj.weight", (name, tensor) -> tensor.as(DType.F32));
        base.computeIfPresent("model.layers.0.input_layernorm.weight", (name, tensor) -> tensor.as(DType.F32));
        try (PackedModel pack = pack(TinyCheckpoint.writeBase(directory.resolve("base"), base), Quantization.NONE)) {
            assertThat(pack.manifest().quantization())
                    .containsEntry(TensorGroup.LAYERS, WeightFormat.F32)
                    .containsEntry(TensorGroup.EMBEDDING, WeightFormat.F16);
        }
    }

    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void aWeightThatIsNotFiniteIsRefusedByNameAndRow(float bad) {
        Map<String, TestTensor> base = new HashMap<>(TinyCheckpoint.base(DType.BF16));
        TestTensor norm = TestTensor.random(DType.BF16, 1, TinyCheckpoint.HIDDEN, TinyCheckpoint.INTERMEDIATE);
        norm.values()[30] = bad;
        base.put("model.layers.1.mlp.down_proj.weight", norm);
        Path model = TinyCheckpoint.writeBase(directory.resolve("base"), base);
        assertThatThrownBy(() -> pack(model, Quantization.NONE))
                .isInstanceOf(ModelFormatException.class)
                .hasMessage("tensor model.layers.1.mlp.down_proj.weight: a weight of row 2 is " + bad);
        assertNothingIsLeft();
    }

    @Test
    void whatIsMissingFromABaseIsListed() {
        Map<String, TestTensor> base = new HashMap<>(TinyCheckpoint.base(DType.F32));
        base.remove("model.norm.weight");
        base.remove("model.layers.0.self_attn.k_proj.weight");
        base.put("model.layers.2.mlp.up_proj.weight", TestTensor.random(DType.F32, 1, 2));
        base.put("lm_head.weight", TestTensor.random(DType.F32, 1, 16, 9));
        Path model = TinyCheckpoint.writeBase(directory.resolve("base"), base);
        assertThatThrownBy(() -> pack(model, Quantization.NONE))
                .isInstanceOf(ModelFormatException.class)
                .hasMessage(model.resolve("model.safetensors")
                        + ": missing tensors: model.layers.0.self_attn.k_proj.weight, model.norm.weight;"
                        + " unexpected tensors: model.layers.2.mlp.up_proj.weight;"
                        + " wrong tensors: lm_head.weight ([16, 9] instead of [16, 8])");
    }

    @Test
    void theManifestSaysWhatTheOptionsSay() throws IOException {
        Path target = directory.resolve("pack");
        try (Checkpoint checkpoint = Checkpoint.open(headsAndBase(DType.F32), Optional.empty(), warning -> {})) {
            List<List<Integer>> tree = List.of(List.of(0), List.of(0, 0));
            Packer.pack(
                    checkpoint,
                    new Packer.Options(Quantization.INT8, Optional.of(tree), Optional.of("parrot")),
                    target,
                    SILENT);
            try (PackedModel pack = PackedModel.open(target)) {
                assertThat(pack.manifest().name()).isEqualTo("parrot");
                assertThat(pack.manifest().tree()).isEqualTo(tree);
                assertThat(pack.manifest().sources())
                        .containsExactly("base/model.safetensors", "heads/medusa_lm_head.pt");
                assertThat(pack.manifest().bosId()).isEqualTo(1);
                assertThat(pack.manifest().eosIds()).containsExactly(2);
                assertThat(pack.manifest().chatTemplate()).isEqualTo("raw");
            }
        }
    }

    @Test
    void packingTwiceGivesTheSameBytes() throws IOException {
        Path model = headsAndBase(DType.F16);
        pack(model, Quantization.INT8).close();
        Files.move(directory.resolve("pack"), directory.resolve("first"));
        pack(model, Quantization.INT8).close();
        for (String file : List.of("hydra.json", "weights.safetensors", "tokenizer.json")) {
            assertThat(directory.resolve("pack").resolve(file))
                    .hasSameBinaryContentAs(directory.resolve("first").resolve(file));
        }
    }

    @Test
    void anEmptyFolderIsFilled() throws IOException {
        Files.createDirectory(directory.resolve("pack"));
        pack(headsAndBase(DType.F32), Quantization.NONE).close();
    }

    @Test
    void whatIsThereAlreadyStaysAsItIs() throws IOException {
        Path kept = TinyCheckpoint.text(
                Files.createDirectory(directory.resolve("pack")).resolve("notes"), "mine");
        assertThatThrownBy(() -> pack(headsAndBase(DType.F32), Quantization.NONE))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("pack exists already");
        assertThat(kept).hasContent("mine");
        try (Stream<Path> files = Files.list(directory.resolve("pack"))) {
            assertThat(files).hasSize(1);
        }
    }

    @Test
    void aPackThatFailsHalfwayLeavesNothing() {
        Path model = headsAndBase(DType.F32);
        assertThatThrownBy(() -> pack(model, Quantization.NONE, (bytes, total) -> {
                    if (bytes > total / 2) {
                        throw new UncheckedIOException(new IOException("no space left"));
                    }
                }))
                .hasMessageContaining("no space left");
        assertNothingIsLeft();
    }

    @Test
    void anInterruptedPackLeavesNothing() {
        Path model = headsAndBase(DType.F32);
        assertThatThrownBy(() -> pack(
                        model,
                        Quantization.NONE,
                        (bytes, total) -> Thread.currentThread().interrupt()))
                .isInstanceOf(ClosedByInterruptException.class);
        assertThat(Thread.interrupted()).isTrue();
        assertNothingIsLeft();
    }

    @Test
    void progressGoesOnToTheLastByte() throws IOException {
        List<Long> left = new ArrayList<>();
        pack(headsAndBase(DType.F32), Quantization.NONE, (bytes, total) -> left.add(total - bytes))
                .close();
        assertThat(left).hasSizeGreaterThan(10).isSortedAccordingTo(Comparator.reverseOrder());
        assertThat(left.getLast()).isZero();
    }

    private Path headsAndBase(DType dtype) {
        TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(dtype));
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 1);
        TorchZip.save(
                heads.resolve("medusa_lm_head.pt"),
                TinyCheckpoint.join(List.of(TinyCheckpoint.medusa(dtype, 2, 1), TinyCheckpoint.forked(dtype, 1))));
        return heads;
    }

    /** The numbers of every part of the pack of {@link #headsAndBase}, put together by hand. */
    private static Map<String, float[]> expected() {
        Map<String, TestTensor> base = TinyCheckpoint.base(DType.F32);
        Map<String, TestTensor> heads = TinyCheckpoint.medusa(DType.F32, 2, 1);
        Map<String, TestTensor> forked = TinyCheckpoint.forked(DType.F32, 1);
        Map<String, float[]> parts = new HashMap<>();
        parts.put("embedding", values(base, "model.embed_tokens.weight"));
        parts.put("norm", values(base, "model.norm.weight"));
        parts.put("lm_head", values(base, "lm_head.weight"));
        parts.put("fork.norm", values(forked, "weight"));
        for (int i = 0; i < TinyCheckpoint.LAYERS; i++) {
            layer(parts, "layers." + i + ".", base, "model.layers." + i + ".");
        }
        layer(parts, "fork.0.", forked, "0.");
        for (int k = 0; k < 2; k++) {
            parts.put("heads." + k + ".residual.0", values(heads, k + ".0.linear.weight"));
            parts.put("heads." + k + ".residual.0.bias", values(heads, k + ".0.linear.bias"));
            parts.put("heads." + k + ".lm_head", values(heads, k + ".1.weight"));
        }
        return parts;
    }

    private static void layer(Map<String, float[]> parts, String to, Map<String, TestTensor> tensors, String from) {
        parts.put(to + "attention_norm", values(tensors, from + "input_layernorm.weight"));
        parts.put(to + "mlp_norm", values(tensors, from + "post_attention_layernorm.weight"));
        parts.put(to + "o", values(tensors, from + "self_attn.o_proj.weight"));
        parts.put(to + "down", values(tensors, from + "mlp.down_proj.weight"));
        parts.put(
                to + "gate_up",
                joined(values(tensors, from + "mlp.gate_proj.weight"), values(tensors, from + "mlp.up_proj.weight")));
        parts.put(
                to + "qkv",
                joined(
                        rotaryPairs(values(tensors, from + "self_attn.q_proj.weight")),
                        rotaryPairs(values(tensors, from + "self_attn.k_proj.weight")),
                        values(tensors, from + "self_attn.v_proj.weight")));
    }

    /** Rows 0 1 2 3 of a head become 0 2 1 3. */
    private static float[] rotaryPairs(float[] rows) {
        float[] pairs = new float[rows.length];
        int[] order = {0, 2, 1, 3};
        int width = TinyCheckpoint.HIDDEN;
        for (int r = 0; r < rows.length / width; r++) {
            int head = r / HEAD_DIM * HEAD_DIM;
            System.arraycopy(rows, (head + order[r % HEAD_DIM]) * width, pairs, r * width, width);
        }
        return pairs;
    }

    private static float[] values(Map<String, TestTensor> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name).values();
    }

    private static float[] joined(float[]... parts) {
        ByteBuffer all = ByteBuffer.allocate(
                Stream.of(parts).mapToInt(part -> part.length * Float.BYTES).sum());
        for (float[] part : parts) {
            for (float value : part) {
                all.putFloat(value);
            }
        }
        float[] joined = new float[all.capacity() / Float.BYTES];
        all.flip().asFloatBuffer().get(joined);
        return joined;
    }

    private static boolean isVector(String name) {
        return name.endsWith("norm") || name.endsWith("bias");
    }

    private static float[] weights(PackedModel pack, String name) {
        if (isVector(name)) {
            return floats(pack.tensor(name));
        }
        float[] values = floats(pack.tensor(name + ".weight"));
        if (pack.tensor(name + ".weight").dtype() == DType.I8) {
            float[] scales = floats(pack.tensor(name + ".scale"));
            for (int i = 0; i < values.length; i++) {
                values[i] *= scales[i / (values.length / scales.length)];
            }
        }
        return values;
    }

    private static float[] floats(TensorView tensor) {
        ByteBuffer bytes = tensor.data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[(int) tensor.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = switch (tensor.dtype()) {
                case F32 -> bytes.getFloat();
                case F16 -> Float.float16ToFloat(bytes.getShort());
                case I8 -> bytes.get();
                default -> throw new AssertionError(tensor.dtype());
            };
        }
        return values;
    }

    private PackedModel pack(Path model, Quantization quantization) throws IOException {
        return pack(model, quantization, SILENT);
    }

    private PackedModel pack(Path model, Quantization quantization, Packer.Progress progress) throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(model, Optional.empty(), warning -> {})) {
            Packer.Options options = new Packer.Options(quantization, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, directory.resolve("pack"), progress);
        }
        return PackedModel.open(directory.resolve("pack"));
    }

    private void assertNothingIsLeft() {
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left.map(path -> path.getFileName().toString())).isSubsetOf("base", "heads");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
