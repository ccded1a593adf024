package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.checkpoint.Packer;
import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.RowShape;
import dev.hydrallm.engine.Shape;
import dev.hydrallm.engine.TinyPack;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Sample;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongFunction;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is learnt against what is served: a learner's heads, written as a checkpoint and packed, guess the same. */
class LearnerFormatsTest {
    private static final int[] TOKENS = {3, 14, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9};

    @TempDir
    Path folder;

    record Case(String config, LongFunction<Map<String, TestTensor>> added, DraftLayout draft) {
        @Override
        public String toString() {
            return config + " " + draft;
        }
    }

    static List<Case> cases() {
        return List.of(
                new Case("\"llama\"", seed -> Map.of(), new DraftLayout(3, 1, 0, false)),
                new Case("\"llama\"", seed -> Map.of(), new DraftLayout(3, 2, 1, false)),
                new Case("\"llama\"", seed -> Map.of(), new DraftLayout(2, 1, 2, true)),
                new Case("\"llama\"", seed -> Map.of(), new DraftLayout(3, 1, 0, false, Set.of(DraftPart.NEXT_TOKEN))),
                new Case("\"llama\"", seed -> Map.of(), new DraftLayout(2, 1, 2, true, Set.of(DraftPart.NEXT_TOKEN))),
                new Case(
                        "\"qwen2\"",
                        seed -> TinyCheckpoint.qkvBiases(DType.F32, seed),
                        new DraftLayout(3, 1, 1, false)),
                new Case(
                        "\"qwen3\", \"head_dim\": 4, \"attention_bias\": true",
                        seed -> TinyCheckpoint.join(List.of(
                                TinyCheckpoint.qkvBiases(DType.F32, seed),
                                TinyCheckpoint.headNorms(DType.F32, seed),
                                TinyCheckpoint.outputBias(DType.F32, seed))),
                        new DraftLayout(3, 1, 2, false)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void whatIsLearntIsWhatIsServed(Case each) throws IOException {
        Map<String, TestTensor> tensors = new LinkedHashMap<>(TinyCheckpoint.base(DType.F32));
        for (int i = 0; i < TinyCheckpoint.LAYERS; i++) {
            tensors.putAll(TinyCheckpoint.prefixed(
                    "model.layers." + i + ".", each.added().apply(100L * (i + 1))));
        }
        tensors.replaceAll((name, tensor) -> scaled(tensor, name.endsWith("proj.weight") ? 0.25f : 1));
        Path base = TinyCheckpoint.writeBase(
                folder.resolve("base"), TinyCheckpoint.CONFIG.replace("\"llama\"", each.config()), tensors);
        Path heads = TinyCheckpoint.writeHeadsConfig(
                folder.resolve("heads"),
                each.draft().heads(),
                each.draft().residualLayers(),
                each.draft().forkedLayers());
        int count = each.draft().heads();
        double[][] losses = new double[TOKENS.length][];
        long[][][] hits = new long[TOKENS.length][count][];
        try (PackedModel model = pack(base, "base-pack");
                TorchLearner learner = TorchLearner.load(model, each.draft(), LearnerOptions.on(Device.CPU))) {
            Learning.scatter(learner, 11, 0.3);
            Learning.learn(learner, List.of(sample(5, 9)), Learning.weights(count));
            learner.update(Learning.update(1, 0.01, 1));
            Map<String, TestTensor> learnt = new LinkedHashMap<>();
            for (Parameter parameter : learner.parameters()) {
                List<Long> size =
                        Arrays.stream(parameter.shape()).mapToObj(Long::valueOf).toList();
                learnt.put(parameter.name(), new TestTensor(DType.F32, size, Learning.value(learner, parameter)));
            }
            TinyCheckpoint.safetensors(heads.resolve("medusa_lm_head.safetensors"), learnt);
            for (int last = 2; last < TOKENS.length; last++) {
                List<HeadSums> sums = Learning.measure(learner, List.of(sample(last)));
                losses[last] = sums.stream().mapToDouble(HeadSums::loss).toArray();
                for (int k = 0; k < count; k++) {
                    hits[last][k] = sums.get(k).hits();
                }
            }
        }
        EngineOptions options =
                new EngineOptions(1, 0, 1, 16, 16).on(EngineOptions.Kind.TORCH).on(Device.CPU);
        try (PackedModel model = pack(heads, "heads-pack");
                DecoderProgram program = TorchProgram.load(model, options, 64)) {
            assertThat(model.draft()).isEqualTo(each.draft());
            for (int tokens = 1; tokens < TOKENS.length - 1; tokens++) {
                program.logits(Arrays.copyOf(TOKENS, tokens));
                float[] all = program.headLogits(Arrays.copyOfRange(TOKENS, 1, tokens + 1));
                for (int k = 0; k < count; k++) {
                    int target = tokens + 1 + k;
                    if (target < TOKENS.length) {
                        float[] logits =
                                Arrays.copyOfRange(all, k * TinyCheckpoint.VOCAB, (k + 1) * TinyCheckpoint.VOCAB);
                        double loss = crossEntropy(logits, TOKENS[target]);
                        assertThat(losses[target][k]).isCloseTo(loss, within(1e-4 * (1 + loss)));
                        assertThat(hits[target][k]).isEqualTo(hit(logits, TOKENS[target]));
                    }
                }
            }
        }
    }

    /** How a base computes. */
    enum Base {
        SINGLE("f32", 1e-4),
        INT8("int8", 0.1),
        GPU_HALF("f32", 0.02),
        GPU_SINGLE("f32", 1e-4),
        GPU_INT8("int8", 0.1);

        private final String format;
        private final double tolerance;

        Base(String format, double tolerance) {
            this.format = format;
            this.tolerance = tolerance;
        }

        TorchSetting setting(PackedModel model) {
            return switch (this) {
                case SINGLE, INT8 -> TorchSetting.ofProcessor(model, ActivationRange.ofProcessor());
                case GPU_HALF -> gpu(Arithmetic.GPU_HALF, RmsNorm.MIRRORED);
                case GPU_SINGLE -> gpu(Arithmetic.GPU_SINGLE, RmsNorm.SEPARATE);
                case GPU_INT8 -> gpu(Arithmetic.GPU_INT8, RmsNorm.MIRRORED);
            };
        }

        private static TorchSetting gpu(Arithmetic arithmetic, RmsNorm norm) {
            return new TorchSetting(
                    arithmetic,
                    norm,
                    ActivationRange.FULL,
                    ai.djl.Device.cpu(),
                    Optional.of(new HostLink()),
                    Optional.empty());
        }
    }

    /** A head that is the base's own last matrix gives the base's own logits, a place late. */
    @ParameterizedTest
    @EnumSource(Base.class)
    void whatIsReadIsWhatTheBaseComputes(Base base) {
        Architecture shape = Shape.all().get(2).architecture();
        DraftLayout draft = new DraftLayout(1, 0, 0, false);
        EngineOptions options = new EngineOptions(1, 0, 1, 16, 16)
                .on(Device.CPU)
                .in(base == Base.GPU_SINGLE ? EngineOptions.Precision.SINGLE : EngineOptions.Precision.HALF);
        boolean[] all = new boolean[TOKENS.length];
        Arrays.fill(all, true);
        List<Sample> batch = List.of(sample(3), new Sample(TOKENS, all), sample(4));
        TinyPack.write(folder, shape, DraftLayout.NONE, WeightFormat.named(base.format), 0.3)
                .close();
        double[] expected;
        try (PackedModel model = PackedModel.open(folder);
                DecoderProgram program = new TorchProgram(model, options, 64, base.setting(model))) {
            expected = program.logProbabilities(TOKENS, new DecoderProgram.Rows(0, 0, new RowShape.Run(TOKENS.length)));
        }
        TorchNatives.load();
        try (PackedModel model = PackedModel.open(folder);
                TorchLearner learner = new TorchLearner(
                        model,
                        new LearningLayout(shape, draft),
                        LearnerOptions.on(Device.CPU),
                        64,
                        base.setting(model))) {
            Parameter head = learner.parameters().getFirst();
            learner.set(head, Learner.Part.VALUE, FloatBuffer.wrap(lmHead(model)));
            double loss = 0;
            for (int i = 2; i < TOKENS.length; i++) {
                loss -= expected[(i - 2) * shape.vocabSize() + TOKENS[i]];
            }
            try (Learner.States states = learner.read(batch)) {
                double others = learner.measure(List.of(sample(3), sample(), sample(4)), states)
                        .getFirst()
                        .loss();
                HeadSums found = learner.measure(batch, states).getFirst();
                assertThat(found.labels()).isEqualTo(TOKENS.length);
                assertThat(found.loss() - others).isCloseTo(loss, within(base.tolerance * loss));
                byte[] stored = learner.stored(states);
                int width = base == Base.GPU_HALF ? Short.BYTES : Float.BYTES;
                assertThat(stored).hasSize(3 * TOKENS.length * shape.hiddenSize() * width);
                try (Learner.States restored = learner.restore(batch, stored)) {
                    assertThat(learner.measure(batch, restored).getFirst().loss())
                            .isEqualTo(found.loss());
                }
            }
        }
    }

    /** A shared last matrix is what the codes stand for, so a head without weights gives the base's logits too. */
    @ParameterizedTest
    @ValueSource(strings = {"f32", "int8"})
    void aSharedLastMatrixIsTheBases(String format) {
        Architecture shape = Shape.all().get(2).architecture();
        List<Sample> batch = List.of(sample(3, 5, 9, 10));
        double own;
        try (PackedModel model = TinyPack.write(folder, shape, DraftLayout.NONE, WeightFormat.named(format), 0.3);
                TorchLearner learner =
                        TorchLearner.load(model, new DraftLayout(1, 0, 0, false), LearnerOptions.on(Device.CPU))) {
            learner.set(learner.parameters().getFirst(), Learner.Part.VALUE, FloatBuffer.wrap(lmHead(model)));
            own = Learning.measure(learner, batch).getFirst().loss();
        }
        try (PackedModel model = PackedModel.open(folder);
                TorchLearner learner =
                        TorchLearner.load(model, new DraftLayout(1, 1, 0, true), LearnerOptions.on(Device.CPU))) {
            assertThat(Learning.measure(learner, batch).getFirst().loss()).isCloseTo(own, within(1e-5 * own));
        }
    }

    static float[] lmHead(PackedModel model) {
        ByteBuffer bytes = model.tensor("lm_head.weight").data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        if (model.manifest().quantization().containsValue(WeightFormat.F32)) {
            float[] values = new float[bytes.remaining() / Float.BYTES];
            bytes.asFloatBuffer().get(values);
            return values;
        }
        float[] values = new float[bytes.remaining()];
        ByteBuffer scales = model.tensor("lm_head.scale").data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        int columns = model.architecture().hiddenSize();
        for (int i = 0; i < values.length; i++) {
            values[i] = bytes.get(i) * scales.getFloat(i / columns * Float.BYTES);
        }
        return values;
    }

    /** All tokens, these labelled. */
    private static Sample sample(int... labelled) {
        boolean[] labels = new boolean[TOKENS.length];
        for (int each : labelled) {
            labels[each] = true;
        }
        return new Sample(TOKENS, labels);
    }

    private static double crossEntropy(float[] logits, int token) {
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - logits[token]);
        }
        return Math.log(sum);
    }

    private static long[] hit(float[] logits, int token) {
        int rank = 0;
        for (float logit : logits) {
            rank += logit > logits[token] ? 1 : 0;
        }
        long[] hits = new long[HeadSums.RANKS];
        if (rank < hits.length) {
            hits[rank] = 1;
        }
        return hits;
    }

    private static TestTensor scaled(TestTensor tensor, float scale) {
        float[] values = tensor.values().clone();
        for (int i = 0; i < values.length; i++) {
            values[i] *= scale;
        }
        return new TestTensor(tensor.dtype(), tensor.shape(), values);
    }

    private PackedModel pack(Path source, String name) throws IOException {
        Path target = folder.resolve(name);
        try (Checkpoint checkpoint = Checkpoint.open(source, Optional.empty(), warning -> {})) {
            Packer.Options options = new Packer.Options(Quantization.NONE, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, target, (bytes, total) -> {});
        }
        return PackedModel.open(target);
    }
}
