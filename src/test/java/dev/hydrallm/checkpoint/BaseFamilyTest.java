package dev.hydrallm.checkpoint;

import static dev.hydrallm.testing.TinyCheckpoint.HEAD_DIM;
import static dev.hydrallm.testing.TinyCheckpoint.headNorms;
import static dev.hydrallm.testing.TinyCheckpoint.outputBias;
import static dev.hydrallm.testing.TinyCheckpoint.prefixed;
import static dev.hydrallm.testing.TinyCheckpoint.qkvBiases;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.SlidingWindow;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** A tiny checkpoint of each family: what its configuration means, and what its pack holds. */
class BaseFamilyTest {
    @TempDir
    Path directory;

    /**
     * A family as its configuration names it.
     *
     * @param config what replaces the model_type of {@link TinyCheckpoint#CONFIG}
     * @param added a layer's tensors beyond Llama's, from a seed
     */
    record Family(
            String config,
            LongFunction<Map<String, TestTensor>> added,
            List<AttentionPart> parts,
            @Nullable SlidingWindow window) {
        @Override
        public String toString() {
            return config;
        }

        String wholeConfig() {
            return TinyCheckpoint.CONFIG.replace("\"model_type\": \"llama\"", config.replace('\'', '"'));
        }

        Map<String, TestTensor> tensors() {
            Map<String, TestTensor> all = new LinkedHashMap<>(TinyCheckpoint.base(DType.F32));
            for (int i = 0; i < TinyCheckpoint.LAYERS; i++) {
                all.putAll(prefixed("model.layers." + i + ".", added.apply(100L * (i + 1))));
            }
            return all;
        }
    }

    private static Map<String, TestTensor> nothing(long seed) {
        return Map.of();
    }

    private static Map<String, TestTensor> biases(long seed) {
        return TinyCheckpoint.join(List.of(qkvBiases(DType.F32, seed), outputBias(DType.F32, seed)));
    }

    private static final Family QWEN2 = new Family(
            "'model_type': 'qwen2', 'use_sliding_window': false, 'sliding_window': 16, 'max_window_layers': 1",
            seed -> qkvBiases(DType.F32, seed),
            List.of(AttentionPart.QKV_BIAS),
            null);
    private static final Family QWEN3 = new Family(
            "'model_type': 'qwen3', 'architectures': ['Qwen3ForCausalLM'], 'head_dim': 4, 'attention_bias': false",
            seed -> headNorms(DType.F32, seed),
            List.of(AttentionPart.QK_NORM),
            null);
    private static final Family LLAMA_WITH_BIASES = new Family(
            "'model_type': 'llama', 'attention_bias': true",
            BaseFamilyTest::biases,
            List.of(AttentionPart.QKV_BIAS, AttentionPart.O_BIAS),
            null);

    static List<Family> families() {
        return List.of(
                new Family("'architectures': ['LlamaForCausalLM']", BaseFamilyTest::nothing, List.of(), null),
                new Family("'model_type': 'llama', 'sliding_window': 4", BaseFamilyTest::nothing, List.of(), null),
                LLAMA_WITH_BIASES,
                new Family(
                        "'model_type': 'mistral', 'sliding_window': 16",
                        BaseFamilyTest::nothing,
                        List.of(),
                        new SlidingWindow(16, 0)),
                new Family("'model_type': 'mistral', 'sliding_window': null", BaseFamilyTest::nothing, List.of(), null),
                new Family("'model_type': 'mistral'", BaseFamilyTest::nothing, List.of(), new SlidingWindow(4096, 0)),
                QWEN2,
                new Family(
                        "'model_type': 'qwen2', 'use_sliding_window': true, 'sliding_window': 16,"
                                + " 'max_window_layers': 1, 'layer_types': ['full_attention', 'sliding_attention']",
                        QWEN2.added(),
                        QWEN2.parts(),
                        new SlidingWindow(16, 1)),
                new Family(
                        "'model_type': 'qwen2', 'use_sliding_window': true, 'sliding_window': 16,"
                                + " 'max_window_layers': 2",
                        QWEN2.added(),
                        QWEN2.parts(),
                        null),
                QWEN3,
                new Family(
                        "'model_type': 'qwen3', 'head_dim': 4, 'attention_bias': true",
                        seed -> TinyCheckpoint.join(List.of(biases(seed), headNorms(DType.F32, seed))),
                        List.of(AttentionPart.QKV_BIAS, AttentionPart.QK_NORM, AttentionPart.O_BIAS),
                        null));
    }

    @ParameterizedTest
    @MethodSource("families")
    void aCheckpointPacksWithAllPartsOfItsFamily(Family family) throws IOException {
        try (PackedModel pack = pack(write(family, family.tensors()))) {
            assertThat(pack.architecture().attentionParts()).containsExactlyElementsOf(family.parts());
            assertThat(pack.architecture().slidingWindow()).isEqualTo(family.window());
            for (int i = 0; i < TinyCheckpoint.LAYERS; i++) {
                assertParts(pack, "layers." + i, family.added().apply(100L * (i + 1)));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void forkedLayersHaveThePartsToo(Family family) throws IOException {
        write(family, family.tensors());
        try (PackedModel pack = pack(writeHeads(family.added().apply(7000)))) {
            assertParts(pack, "fork.0", family.added().apply(7000));
        }
    }

    @Test
    void forkedLayersOfAnotherFamilyAreRefusedByTheNamesOfTheirTensors() {
        write(QWEN2, QWEN2.tensors());
        Path heads = writeHeads(QWEN3.added().apply(7000));
        assertThatThrownBy(() -> pack(heads))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("missing tensors: medusa_decoder_layers.0.self_attn.q_proj.bias")
                .hasMessageContaining("unexpected tensors: medusa_decoder_layers.0.self_attn.k_norm.weight");
    }

    @Test
    void aMissingPartIsNamed() {
        Map<String, TestTensor> tensors = QWEN2.tensors();
        tensors.remove("model.layers.1.self_attn.k_proj.bias");
        assertRefused(QWEN2, tensors, "missing tensors: model.layers.1.self_attn.k_proj.bias");
        Map<String, TestTensor> normless = QWEN3.tensors();
        normless.remove("model.layers.0.self_attn.q_norm.weight");
        assertRefused(QWEN3, normless, "missing tensors: model.layers.0.self_attn.q_norm.weight");
    }

    @Test
    void aPartOfTheWrongShapeIsNamed() {
        Map<String, TestTensor> tensors = QWEN2.tensors();
        tensors.put("model.layers.1.self_attn.q_proj.bias", TestTensor.random(DType.F32, 1, HEAD_DIM));
        assertRefused(QWEN2, tensors, "wrong tensors: model.layers.1.self_attn.q_proj.bias ([4] instead of [8])");
        Map<String, TestTensor> wide = QWEN3.tensors();
        wide.put("model.layers.0.self_attn.k_norm.weight", TestTensor.random(DType.F32, 1, 2, 2));
        assertRefused(QWEN3, wide, "wrong tensors: model.layers.0.self_attn.k_norm.weight ([2, 2] instead of [4])");
    }

    @Test
    void aPartThatTheFamilyDoesNotHaveIsNamed() {
        assertRefused(
                families().getFirst(),
                QWEN2.tensors(),
                "unexpected tensors: model.layers.0.self_attn.q_proj.bias, model.layers.0.self_attn.k_proj.bias");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "'model_type': 'gemma2'                                           | model_type \"gemma2\" is not supported; llama, mistral, qwen2, qwen3 are",
                "'model_type': 'mixtral', 'architectures': ['MixtralForCausalLM'] | model_type \"mixtral\" [\"MixtralForCausalLM\"] is not supported",
                "'architectures': ['Phi3ForCausalLM']                             | [\"Phi3ForCausalLM\"] is not supported",
                "'model_type': 'llama', 'architectures': ['LlamaForSequenceClassification'] | the architecture LlamaForSequenceClassification of",
                "'model_type': 'llama', 'architectures': ['MistralForCausalLM']   | the architecture MistralForCausalLM of model_type \"llama\"",
                "'model_type': 'mistral', 'attention_bias': true                  | attention_bias true is not supported",
                "'model_type': 'mistral', 'sliding_window': 0                     | sliding_window is 0, not between 1 and",
                "'model_type': 'mistral', 'sliding_window': '4096'                | sliding_window is \"4096\", not a whole number",
                "'model_type': 'qwen2', 'use_sliding_window': 'yes'               | use_sliding_window is \"yes\", neither true nor false",
                "'model_type': 'qwen2', 'layer_types': ['sliding_attention', 'full_attention'] | layer_types [\"sliding_attention\",\"full_attention\"] is not supported",
            })
    void anotherArchitectureIsRefusedByName(String config, String message) {
        Path base = write(new Family(config, BaseFamilyTest::nothing, List.of(), null), Map.of());
        assertThatThrownBy(() -> HfConfig.read(base))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(base.resolve("config.json") + ": ")
                .hasMessageContaining(message);
    }

    private void assertRefused(Family family, Map<String, TestTensor> tensors, String message) {
        Path base = write(family, tensors);
        assertThatThrownBy(() -> pack(base))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(base.resolve("model.safetensors") + ": ")
                .hasMessageContaining(message);
    }

    private static void assertParts(PackedModel pack, String layer, Map<String, TestTensor> source) {
        if (source.containsKey("self_attn.q_proj.bias")) {
            float[] q = values(source, "self_attn.q_proj.bias");
            float[] k = values(source, "self_attn.k_proj.bias");
            float[] v = values(source, "self_attn.v_proj.bias");
            assertThat(floats(pack, layer + ".qkv.bias"))
                    .containsExactly(
                            q[0], q[2], q[1], q[3], q[4], q[6], q[5], q[7], k[0], k[2], k[1], k[3], v[0], v[1], v[2],
                            v[3]);
        }
        if (source.containsKey("self_attn.q_norm.weight")) {
            float[] q = values(source, "self_attn.q_norm.weight");
            float[] k = values(source, "self_attn.k_norm.weight");
            assertThat(floats(pack, layer + ".q_norm")).containsExactly(q[0], q[2], q[1], q[3]);
            assertThat(floats(pack, layer + ".k_norm")).containsExactly(k[0], k[2], k[1], k[3]);
        }
        if (source.containsKey("self_attn.o_proj.bias")) {
            assertThat(floats(pack, layer + ".o.bias")).containsExactly(values(source, "self_attn.o_proj.bias"));
        }
    }

    private static float[] values(Map<String, TestTensor> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name).values();
    }

    private static float[] floats(PackedModel pack, String name) {
        float[] values = new float[(int) pack.tensor(name).elements()];
        pack.tensor(name)
                .data()
                .asByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values);
        return values;
    }

    private Path write(Family family, Map<String, TestTensor> tensors) {
        return TinyCheckpoint.writeBase(directory.resolve("base"), family.wholeConfig(), tensors);
    }

    /** Heads on one forked layer that has more tensors. */
    private Path writeHeads(Map<String, TestTensor> added) {
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 1);
        TorchZip.save(
                heads.resolve("medusa_lm_head.pt"),
                TinyCheckpoint.join(List.of(
                        TinyCheckpoint.medusa(DType.F32, 2, 1),
                        TinyCheckpoint.forked(DType.F32, 1),
                        prefixed("0.", added))));
        return heads;
    }

    private PackedModel pack(Path model) throws IOException {
        Path target = directory.resolve("pack");
        try (Checkpoint checkpoint = Checkpoint.open(model, Optional.empty(), warning -> {})) {
            Packer.Options options = new Packer.Options(Quantization.INT8, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, target, (bytes, total) -> {});
        }
        return PackedModel.open(target);
    }
}
