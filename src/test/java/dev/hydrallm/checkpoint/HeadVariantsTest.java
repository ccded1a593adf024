package dev.hydrallm.checkpoint;

import static dev.hydrallm.testing.TinyCheckpoint.HEAD_DIM;
import static dev.hydrallm.testing.TinyCheckpoint.base;
import static dev.hydrallm.testing.TinyCheckpoint.forked;
import static dev.hydrallm.testing.TinyCheckpoint.join;
import static dev.hydrallm.testing.TinyCheckpoint.medusa;
import static dev.hydrallm.testing.TinyCheckpoint.prefixed;
import static dev.hydrallm.testing.TinyCheckpoint.residuals;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.Pickle;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The forms in which draft heads are found, each of which packs to the same tensors. */
class HeadVariantsTest {
    private static final String MEDUSA = "medusa.model.medusa_model.";
    private static final String KV_LLAMA = "medusa.model.modeling_llama_kv.";
    private static final String NN = "torch.nn.modules.";

    @TempDir
    Path directory;

    private final List<String> warnings = new ArrayList<>();

    @BeforeEach
    void writeTheBase() {
        TinyCheckpoint.writeBase(directory.resolve("base"), base(DType.F32));
    }

    @Test
    void medusaHeadsPackToTheSameTensorsInEveryForm() throws IOException {
        Map<String, TestTensor> flat = medusa(DType.F32, 3, 2);
        String expected = packed(heads("flat", flat, 2, 0), new DraftLayout(3, 2, 0, false));
        DraftLayout layout = new DraftLayout(3, 2, 0, false);

        assertThat(packed(heads("prefixed", prefixed("medusa_head.", flat), 2, 0), layout))
                .isEqualTo(expected);
        assertThat(packed(heads("nested", Map.of("medusa_head", flat), 2, 0), layout))
                .isEqualTo(expected);
        assertThat(packed(heads("modules", modules(3, 2, 0), 2, 0), layout)).isEqualTo(expected);
        Path safetensors = TinyCheckpoint.writeHeadsConfig(directory.resolve("safetensors"), 3, 2, 0);
        TinyCheckpoint.safetensors(safetensors.resolve("medusa_lm_head.safetensors"), flat);
        assertThat(packed(safetensors, layout)).isEqualTo(expected);

        Path beside = TinyCheckpoint.writeBase(
                directory.resolve("beside"), join(List.of(base(DType.F32), prefixed("medusa_head.", flat))));
        assertThat(packed(beside, layout)).isEqualTo(expected);
        assertThat(warnings).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void hydraHeadsPackToTheSameTensorsInEveryForm(int layers) throws IOException {
        DraftLayout layout = new DraftLayout(2, 1, layers, false);
        Map<String, TestTensor> heads = medusa(DType.F32, 2, 1);
        Map<String, TestTensor> forked = forked(DType.F32, layers);
        Map<String, TestTensor> norm = Map.of("weight", forked.get("weight"));
        Map<String, TestTensor> decoders = new LinkedHashMap<>(forked);
        decoders.remove("weight");
        String expected = packed(heads("merged", join(List.of(heads, forked)), 1, layers), layout);

        assertThat(packed(heads("modules", modules(2, 1, layers), 1, layers), layout))
                .isEqualTo(expected);
        Map<String, Object> three = new LinkedHashMap<>();
        three.put("medusa_head", heads);
        three.put("medusa_rms_norm", norm);
        three.put("medusa_decoder_layers", decoders);
        assertThat(packed(heads("three", three, 1, layers), layout)).isEqualTo(expected);
        Map<String, TestTensor> dotted = join(List.of(
                prefixed("medusa_head.", heads),
                prefixed("medusa_rms_norm.", norm),
                prefixed("medusa_decoder_layers.", decoders)));
        assertThat(packed(heads("dotted", dotted, 1, layers), layout)).isEqualTo(expected);
        Path beside = TinyCheckpoint.writeBase(directory.resolve("beside"), join(List.of(base(DType.F32), dotted)));
        assertThat(packed(beside, layout)).isEqualTo(expected);
        assertThat(warnings).isEmpty();
    }

    @Test
    void headsWithoutALastMatrixShareTheBases() throws IOException {
        DraftLayout layout = new DraftLayout(3, 1, 0, true);
        Map<String, TestTensor> residuals = residuals(DType.F32, 3, 1);
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 3, 1, 0);
        TinyCheckpoint.safetensors(heads.resolve("medusa_lm_head.safetensors"), residuals);
        String expected = packed(heads, layout);
        assertThat(packed(heads("flat", residuals, 1, 0), layout)).isEqualTo(expected);
    }

    @Test
    void whatReadsTheNextTokenIsFoundByItsNameAlone() throws IOException {
        Map<String, TestTensor> merged = join(List.of(medusa(DType.F32, 2, 1), forked(DType.F32, 1)));
        Map<String, TestTensor> more = new HashMap<>(merged);
        more.put("medusa_next_token.weight", TestTensor.random(DType.F32, 3, 8, 8));
        String packed =
                packed(heads("next", more, 1, 1), new DraftLayout(2, 1, 1, false, Set.of(DraftPart.NEXT_TOKEN)));
        assertThat(packed).isNotEqualTo(packed(heads("without", merged, 1, 1), new DraftLayout(2, 1, 1, false)));
        more.put("medusa_next_token.weight", TestTensor.random(DType.F32, 3, 8, 7));
        assertRefused(heads("narrow", more, 1, 1), "medusa_next_token.weight ([8, 7] instead of [8, 8])");
        more.remove("medusa_next_token.weight");
        more.put("next_token.weight", TestTensor.random(DType.F32, 3, 8, 8));
        assertRefused(heads("other", more, 1, 1), "unexpected tensors: next_token.weight");
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void theTypeOfTheHeadsDoesNotMatterWhereItsNumbersAreTheSame(DType dtype) throws IOException {
        String single = packed(heads("single", medusa(DType.F32, 2, 1), 1, 0), new DraftLayout(2, 1, 0, false));
        assertThat(packed(heads("other", medusa(dtype, 2, 1), 1, 0), new DraftLayout(2, 1, 0, false)))
                .isEqualTo(single);
    }

    @Test
    void whatFollowsFromTheConfigurationIsIgnoredAndNothingElse() throws IOException {
        Map<String, TestTensor> merged = join(List.of(medusa(DType.F32, 2, 1), forked(DType.F32, 1)));
        DraftLayout layout = new DraftLayout(2, 1, 1, false);
        String expected = packed(heads("merged", merged, 1, 1), layout);
        Map<String, TestTensor> more = new HashMap<>(merged);
        more.put("0.self_attn.rotary_emb.inv_freq", TestTensor.random(DType.F32, 1, HEAD_DIM / 2));
        assertThat(packed(heads("rotary", more, 1, 1), layout)).isEqualTo(expected);

        more.put("0.self_attn.rotary_emb.cos_cached", TestTensor.random(DType.F32, 1, 4));
        more.put("medusa_head.extra", TestTensor.random(DType.F32, 1, 4));
        assertRefused(
                heads("extra", more, 1, 1),
                "unexpected tensors: ",
                "0.self_attn.rotary_emb.cos_cached",
                "medusa_head.extra");
    }

    @Test
    void aNormThatNoForkedLayerUsesIsIgnored() throws IOException {
        Map<String, TestTensor> flat = medusa(DType.F32, 2, 1);
        DraftLayout layout = new DraftLayout(2, 1, 0, false);
        String expected = packed(heads("flat", flat, 1, 0), layout);
        Map<String, TestTensor> withNorm = new HashMap<>(flat);
        withNorm.put("weight", TestTensor.random(DType.F32, 9, 8));
        assertThat(packed(heads("norm", withNorm, 1, 0), layout)).isEqualTo(expected);
    }

    @Test
    void everyTensorThatIsMissingIsListedByName() {
        Map<String, TestTensor> merged = new HashMap<>(join(List.of(medusa(DType.F32, 2, 1), forked(DType.F32, 2))));
        for (String name : List.of("0.0.linear.bias", "1.1.weight", "1.mlp.up_proj.weight", "weight")) {
            merged.remove(name);
        }
        assertRefused(
                heads("holes", merged, 1, 2),
                "missing tensors: ",
                "medusa_head.0.0.linear.bias",
                "medusa_head.1.1.weight",
                "medusa_decoder_layers.1.mlp.up_proj.weight",
                "medusa_rms_norm.weight");
    }

    @Test
    void aMissingLayerInTheMiddleIsListed() {
        Map<String, TestTensor> merged = new TreeMap<>(join(List.of(medusa(DType.F32, 2, 1), forked(DType.F32, 3))));
        merged.keySet().removeIf(name -> name.startsWith("1.self_attn") || name.startsWith("1.mlp"));
        assertRefused(heads("holes", merged, 1, 3), "missing tensors: medusa_decoder_layers.1.self_attn.q_proj.weight");
    }

    @Test
    void everyTensorOfAWrongShapeIsListedByName() {
        Map<String, TestTensor> flat = new HashMap<>(medusa(DType.F32, 2, 1));
        flat.put("0.0.linear.weight", TestTensor.random(DType.F32, 1, 8, 9));
        flat.put("1.0.linear.bias", TestTensor.random(DType.F32, 1, 8, 1));
        assertRefused(
                heads("shapes", flat, 1, 0),
                "wrong tensors: ",
                "0.0.linear.weight ([8, 9] instead of [8, 8])",
                "1.0.linear.bias ([8, 1] instead of [8])");
    }

    @Test
    void aTensorThatHoldsNoWeightsIsRefusedByName() {
        Map<String, TestTensor> flat = new HashMap<>(medusa(DType.F32, 2, 1));
        flat.put("0.0.linear.weight", TestTensor.random(DType.I8, 1, 8, 8));
        assertRefused(heads("codes", flat, 1, 0), "0.0.linear.weight (of type I8; weights are F32, F16 or BF16)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"hidden_size\": 8", "\"vocab_size\": 16"})
    void headsOfAnotherBaseAreRefusedAsSuch(String size) throws IOException {
        boolean hidden = size.contains("hidden");
        Path other = directory.resolve("other");
        TinyCheckpoint.writeBase(other, hidden ? widened() : base(DType.F32));
        Map<String, TestTensor> flat = new HashMap<>(medusa(DType.F32, 2, 1));
        if (hidden) {
            TinyCheckpoint.text(
                    other.resolve("config.json"),
                    TinyCheckpoint.CONFIG.replace(size, "\"hidden_size\": 12, \"head_dim\": 4"));
        } else {
            flat.put("0.1.weight", TestTensor.random(DType.F32, 1, 17, 8));
            flat.put("1.1.weight", TestTensor.random(DType.F32, 1, 17, 8));
        }
        Path heads = heads("heads", flat, 1, 0);
        assertThatThrownBy(() -> pack(heads, Optional.of(other)))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("are these the heads of this base? It has a hidden size of " + (hidden ? 12 : 8)
                        + " and a vocabulary of 16")
                .hasMessageContaining(hidden ? "0.0.linear.weight" : "0.1.weight ([17, 8] instead of [16, 8])");
    }

    @Test
    void countsThatTheConfigurationHasWrongAreWarnedOfAndNotBelieved() throws IOException {
        TorchZip.save(
                TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 1)
                        .resolve("medusa_lm_head.pt"),
                medusa(DType.F32, 4, 1));
        packed(directory.resolve("heads"), new DraftLayout(4, 1, 0, false));
        assertThat(warnings)
                .containsExactly(
                        directory.resolve("heads") + ": config.json says medusa_num_heads 2, the weights hold 4",
                        directory.resolve("heads")
                                + ": config.json says medusa_num_decoder_layers 1, the weights hold 0");
    }

    @Test
    void moreHeadsThanATreeIsDeepAreRefused() {
        assertRefused(heads("many", residuals(DType.F32, 17, 1), 1, 0), "17 draft heads; at most 16");
    }

    @Test
    void aFileWithoutHeadsSaysWhatItHoldsInstead() {
        assertRefused(
                heads("none", Map.of("blocks.0.layers.0.weight", TestTensor.random(DType.F32, 1, 8, 8)), 1, 0),
                "holds no draft heads; its tensors are blocks.0.layers.0.weight");
    }

    private Path heads(String name, Map<String, ?> value, int blocks, int layers) {
        long count = medusaHeads(value);
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve(name), (int) count, blocks, layers);
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), value);
        return heads;
    }

    /** How many heads the variants of a test have, so that its config.json agrees. */
    private static long medusaHeads(Map<String, ?> value) {
        return switch (value.get("medusa_head")) {
            case Map<?, ?> flat ->
                flat.keySet().stream()
                        .filter(name -> name.toString().endsWith(".0.linear.bias"))
                        .count();
            case Pickle.Module list -> list.modules().size();
            case null, default ->
                value.keySet().stream()
                        .filter(name -> name.endsWith(".0.linear.bias"))
                        .count();
        };
    }

    /** What Hydra's train.py writes: a dictionary of three pickled modules. */
    private static Map<String, Object> modules(int heads, int blocks, int layers) {
        Map<String, TestTensor> flat = medusa(DType.F32, heads, blocks);
        Map<String, Object> headModules = new LinkedHashMap<>();
        for (int k = 0; k < heads; k++) {
            Map<String, Object> parts = new LinkedHashMap<>();
            for (int j = 0; j < blocks; j++) {
                Map<String, Object> block = new LinkedHashMap<>();
                block.put(
                        "linear",
                        Pickle.Module.of(
                                NN + "linear.Linear",
                                Map.of(
                                        "weight", flat.get(k + "." + j + ".linear.weight"),
                                        "bias", flat.get(k + "." + j + ".linear.bias")),
                                Map.of()));
                block.put("act", Pickle.Module.of(NN + "activation.SiLU", Map.of(), Map.of()));
                parts.put(String.valueOf(j), Pickle.Module.of(MEDUSA + "ResBlock", Map.of(), block));
            }
            parts.put(String.valueOf(blocks), linear(flat, k + "." + blocks));
            headModules.put(String.valueOf(k), Pickle.Module.of(NN + "container.Sequential", Map.of(), parts));
        }
        Map<String, TestTensor> forked = forked(DType.F32, layers);
        Map<String, Object> decoders = new LinkedHashMap<>();
        for (int i = 0; i < layers; i++) {
            decoders.put(String.valueOf(i), decoder(i + ".", forked));
        }
        Map<String, Object> file = new LinkedHashMap<>();
        file.put("medusa_head", Pickle.Module.of(NN + "container.ModuleList", Map.of(), headModules));
        file.put(
                "medusa_rms_norm",
                Pickle.Module.of(KV_LLAMA + "LlamaRMSNorm", Map.of("weight", forked.get("weight")), Map.of()));
        file.put("medusa_decoder_layers", Pickle.Module.of(NN + "container.ModuleList", Map.of(), decoders));
        return file;
    }

    private static Pickle.Module decoder(String prefix, Map<String, TestTensor> tensors) {
        Map<String, Object> attention = new LinkedHashMap<>();
        for (String part : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
            attention.put(part, linear(tensors, prefix + "self_attn." + part));
        }
        TestTensor table = TestTensor.random(DType.F32, 1, HEAD_DIM / 2);
        attention.put(
                "rotary_emb",
                new Pickle.Module(
                        KV_LLAMA + "LlamaRotaryEmbedding",
                        Map.of(),
                        Map.of("inv_freq", table, "cos_cached", table),
                        List.of("inv_freq", "cos_cached"),
                        Map.of()));
        Map<String, Object> mlp = new LinkedHashMap<>();
        for (String part : List.of("gate_proj", "up_proj", "down_proj")) {
            mlp.put(part, linear(tensors, prefix + "mlp." + part));
        }
        mlp.put("act_fn", Pickle.Module.of("transformers.activations.SiLUActivation", Map.of(), Map.of()));
        Map<String, Object> parts = new LinkedHashMap<>();
        parts.put("self_attn", Pickle.Module.of(KV_LLAMA + "LlamaAttention", Map.of(), attention));
        parts.put("mlp", Pickle.Module.of(KV_LLAMA + "LlamaMLP", Map.of(), mlp));
        for (String part : List.of("input_layernorm", "post_attention_layernorm")) {
            parts.put(
                    part,
                    Pickle.Module.of(
                            KV_LLAMA + "LlamaRMSNorm",
                            Map.of("weight", tensors.get(prefix + part + ".weight")),
                            Map.of()));
        }
        return Pickle.Module.of(KV_LLAMA + "LlamaDecoderLayer", Map.of(), parts);
    }

    private static Pickle.Module linear(Map<String, TestTensor> tensors, String name) {
        TestTensor weight = Objects.requireNonNull(tensors.get(name + ".weight"));
        return Pickle.Module.of(NN + "linear.Linear", Map.of("weight", weight), Map.of());
    }

    /** A base of hidden size 12. */
    private static Map<String, TestTensor> widened() {
        Map<String, TestTensor> tensors = new LinkedHashMap<>();
        base(DType.F32).forEach((name, tensor) -> {
            List<Long> shape = tensor.shape();
            boolean rowsAreHidden =
                    name.endsWith("norm.weight") || name.contains("o_proj") || name.contains("down_proj");
            boolean columnsAreHidden = shape.size() == 2 && !name.contains("o_proj") && !name.contains("down_proj");
            long[] wide = shape.stream().mapToLong(Long::longValue).toArray();
            wide[0] = rowsAreHidden ? 12 : wide[0];
            if (columnsAreHidden) {
                wide[1] = 12;
            }
            tensors.put(name, TestTensor.random(DType.F32, 1, wide));
        });
        return tensors;
    }

    private String packed(Path model, DraftLayout layout) throws IOException {
        try (PackedModel pack = pack(model, Optional.empty())) {
            assertThat(pack.draft()).isEqualTo(layout);
            return String.valueOf(pack.manifest().files().get(Manifest.WEIGHTS_FILE));
        }
    }

    private PackedModel pack(Path model, Optional<Path> base) throws IOException {
        Path target = directory.resolve("packs").resolve(model.getFileName());
        try (Checkpoint checkpoint = Checkpoint.open(model, base, warnings::add)) {
            Packer.Options options = new Packer.Options(Quantization.NONE, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, target, (bytes, total) -> {});
        }
        return PackedModel.open(target);
    }

    private void assertRefused(Path heads, String... parts) {
        assertThatThrownBy(() -> pack(heads, Optional.empty()).close())
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContainingAll(parts);
    }
}
