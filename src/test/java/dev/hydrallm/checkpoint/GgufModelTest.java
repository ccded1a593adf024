package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.Gguf;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TinyGguf;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A GGUF file packs to the same bytes as the Hugging Face checkpoint that it was converted from. */
class GgufModelTest {
    @TempDir
    Path directory;

    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16"})
    void aFileMakesThePackOfTheCheckpointItCameFrom(DType dtype) throws IOException {
        Path base = TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(dtype));
        Path file = TinyGguf.base(dtype).write(directory.resolve("tiny.gguf"));
        try (PackedModel expected = pack(base, Optional.empty(), "expected");
                PackedModel actual = pack(file, Optional.empty(), "actual")) {
            assertThat(actual.manifest().name()).isEqualTo("tiny");
            assertThat(actual.manifest().sources()).containsExactly(directory.getFileName() + "/tiny.gguf");
            assertThat(actual.architecture()).isEqualTo(expected.architecture());
            assertThat(actual.manifest().quantization())
                    .isEqualTo(expected.manifest().quantization());
            assertThat(actual.manifest().bosId()).isEqualTo(1);
            assertThat(actual.manifest().eosIds()).containsExactly(2);
            assertThat(actual.directory().resolve("weights.safetensors"))
                    .hasSameBinaryContentAs(expected.directory().resolve("weights.safetensors"));
        }
    }

    @Test
    void draftHeadsTakeAFileAsTheirBase() throws IOException {
        Path base = TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F32));
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 0);
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), TinyCheckpoint.medusa(DType.F32, 2, 1));
        Path file = TinyGguf.base(DType.F32).write(directory.resolve("tiny.gguf"));
        try (PackedModel expected = pack(heads, Optional.of(base), "expected");
                PackedModel actual = pack(heads, Optional.of(file), "actual")) {
            assertThat(actual.draft().heads()).isEqualTo(2);
            assertThat(actual.manifest().name()).isEqualTo("heads");
            assertThat(actual.directory().resolve("weights.safetensors"))
                    .hasSameBinaryContentAs(expected.directory().resolve("weights.safetensors"));
        }
    }

    @Test
    void headsMayNameAFileThemselves() {
        TinyGguf.base(DType.F32).write(directory.resolve("tiny.gguf"));
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 0);
        TinyCheckpoint.text(heads.resolve("config.json"), "{\"base_model_name_or_path\": \"../tiny.gguf\"}");
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), TinyCheckpoint.medusa(DType.F32, 2, 1));
        try (Checkpoint checkpoint = open(heads)) {
            assertThat(checkpoint.sources())
                    .containsExactly(directory.getFileName() + "/tiny.gguf", "heads/medusa_lm_head.pt");
        }
    }

    @Test
    void aTokenizerAndATemplateBesideTheFileAreTakenFirst() {
        Path file = TinyGguf.base(DType.F32)
                .put("tokenizer.chat_template", "of the file")
                .write(directory.resolve("tiny.gguf"));
        try (Checkpoint checkpoint = open(file)) {
            assertThat(new String(checkpoint.tokenizer(), StandardCharsets.UTF_8))
                    .contains("\"type\":\"BPE\"");
            assertThat(checkpoint.chatTemplate()).isEqualTo("of the file");
            TinyCheckpoint.text(directory.resolve("tokenizer.json"), "{}");
            TinyCheckpoint.text(directory.resolve("chat_template.jinja"), "beside");
            assertThat(checkpoint.tokenizer()).asString(StandardCharsets.UTF_8).isEqualTo("{}");
            assertThat(checkpoint.chatTemplate()).isEqualTo("beside");
        }
    }

    @Test
    void aFileWithoutATokenizerSaysWhatItNeeds() {
        Path file = TinyGguf.base(DType.F32).without("tokenizer.ggml.model").write(directory.resolve("tiny.gguf"));
        try (Checkpoint checkpoint = open(file)) {
            assertThatThrownBy(checkpoint::tokenizer)
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageContaining("tokenizer.json: no such file; convert");
        }
    }

    @Test
    void theNamesOfEveryPartAreTranslated() {
        TestTensor any = TestTensor.random(DType.F32, 1, 4);
        Path file = TinyGguf.base(DType.F32)
                .tensor("blk.1.attn_q_norm.weight", any)
                .tensor("blk.1.attn_k_norm.weight", any)
                .tensor("blk.1.attn_v.bias", any)
                .tensor("rope_freqs.weight", new TestTensor(DType.F32, List.of(2L), new float[] {1, 1}))
                .write(directory.resolve("tiny.gguf"));
        try (BaseModel model = BaseModel.open(file)) {
            assertThat(model.tensors().keySet())
                    .containsAll(TinyCheckpoint.base(DType.F32).keySet())
                    .contains(
                            "model.layers.1.self_attn.q_norm.weight",
                            "model.layers.1.self_attn.k_norm.weight",
                            "model.layers.1.self_attn.v_proj.bias")
                    .doesNotContain("rope_freqs.weight");
        }
    }

    @Test
    void aBiasIsPermutedAsItsMatrixIs() {
        // As of one head of 8 converted: 0 4 1 5 2 6 3 7.
        TestTensor pairs = new TestTensor(DType.F32, List.of(8L), new float[] {0, 4, 1, 5, 2, 6, 3, 7});
        Path file = new Gguf().tensor("b", pairs).write(directory.resolve("a.gguf"));
        try (var gguf = dev.hydrallm.checkpoint.gguf.GgufFile.open(file)) {
            SourceTensor bias =
                    new GgufSource("b", gguf.tensors().values().iterator().next());
            float[] values = new float[8];
            new SplitRotaryPairs(bias, 8).readRow(0, values);
            assertThat(values).containsExactly(0, 1, 2, 3, 4, 5, 6, 7);
        }
    }

    static Stream<Arguments> wrong() {
        TestTensor any = TestTensor.random(DType.F32, 1, 4);
        return Stream.of(
                refused(g -> g.tensor("extra.weight", any), "unexpected tensors: extra.weight"),
                refused(g -> g.tensor("blk.0.ffn_gate_exps.weight", any), "unexpected tensors: blk.0.ffn_gate_exps"),
                refused(g -> g.tensor("model.norm.weight", any), "tensor model.norm.weight stands twice"),
                refused(g -> g.put("llama.block_count", 3), "missing tensors: model.layers.2.input_layernorm.weight"),
                refused(g -> g.put("llama.feed_forward_length", 13), "instead of [13, 8]"),
                refused(
                        g -> g.put("llama.attention.head_count", 3).without("llama.rope.dimension_count"),
                        "3 attention heads do not divide"),
                refused(g -> g.put("tokenizer.ggml.bos_token_id", 16), "bos_token_id 16 is not between 0 and"),
                refused(g -> g.put("general.architecture", "phi3"), "general.architecture \"phi3\" is not supported"));
    }

    private static Arguments refused(UnaryOperator<Gguf> change, String message) {
        return Arguments.of(change, message);
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("wrong")
    void whatIsNotThisModelIsRefusedWithTheFilesName(UnaryOperator<Gguf> change, String message) {
        Path file = change.apply(TinyGguf.base(DType.F32)).write(directory.resolve("tiny.gguf"));
        assertThatThrownBy(() -> pack(file, Optional.empty(), "packed"))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message);
        assertThat(directory.resolve("packed")).doesNotExist();
    }

    @Test
    void aWeightThatIsNoNumberIsRefused() {
        float[] values = new float[TinyCheckpoint.HIDDEN];
        values[3] = Float.NaN;
        TestTensor norm = new TestTensor(DType.F32, List.of((long) TinyCheckpoint.HIDDEN), values);
        Gguf gguf = TinyGguf.metadata();
        TinyCheckpoint.base(DType.F32)
                .forEach((name, tensor) ->
                        gguf.tensor(TinyGguf.nameOf(name), name.equals("model.norm.weight") ? norm : tensor));
        Path file = gguf.write(directory.resolve("tiny.gguf"));
        assertThatThrownBy(() -> pack(file, Optional.empty(), "packed"))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("tensor model.norm.weight: a weight of row 0 is NaN");
    }

    @Test
    void theCacheKnowsAFileAndWhatIsBesideIt() throws IOException {
        Path file = TinyGguf.base(DType.F32).write(directory.resolve("tiny.gguf"));
        Path first = cached(file);
        assertThat(first.getFileName().toString()).startsWith("tiny.gguf-");
        TinyCheckpoint.text(directory.resolve("other.gguf"), "of another model");
        assertThat(cached(file)).isEqualTo(first);
        TinyCheckpoint.text(directory.resolve("tokenizer.json"), "{}");
        Path second = cached(file);
        assertThat(second).isNotEqualTo(first);
        Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000));
        assertThat(cached(file)).isNotIn(first, second);
    }

    private Path cached(Path file) throws IOException {
        PackCache.Listener silent = new PackCache.Listener() {
            @Override
            public void accept(String line) {}

            @Override
            public Packer.Progress progress() {
                return (bytes, total) -> {};
            }
        };
        PackCache cache = new PackCache(directory.resolve("cache"));
        try (PackedModel pack = cache.open(file, Optional.empty(), Quantization.INT8, silent)) {
            return pack.directory();
        }
    }

    private PackedModel pack(Path model, Optional<Path> base, String to) throws IOException {
        Path pack = directory.resolve(to);
        try (Checkpoint checkpoint = Checkpoint.open(model, base, warning -> {})) {
            Packer.Options options = new Packer.Options(Quantization.NONE, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, pack, (bytes, total) -> {});
        }
        return PackedModel.open(pack);
    }

    private static Checkpoint open(Path path) {
        return Checkpoint.open(path, Optional.empty(), warning -> {});
    }
}
