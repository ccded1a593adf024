package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.Shape;
import dev.hydrallm.engine.TinyPack;
import dev.hydrallm.engine.torch.LearnerOptions.Precision;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Learner.Part;
import dev.hydrallm.training.Sample;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a learner promises to the loop around it. */
class TorchLearnerTest {
    private static final int STRETCH = 100;
    /** Bytes in a stretch: states alone are 27 kB a step, and graphs far more. */
    private static final long LEAST_LEAK = STRETCH * 15_000L;

    private static final Shape SHAPE = Shape.all().get(2);
    private static final int VOCABULARY = SHAPE.architecture().vocabSize();
    private static final DraftLayout DRAFT = new DraftLayout(3, 1, 1, false);
    private static final double[] WEIGHTS = {0.03, 0.02, 0.01};

    @TempDir
    Path folder;

    private final List<AutoCloseable> opened = new ArrayList<>();

    @BeforeEach
    void writeTheBase() {
        TinyPack.write(folder, SHAPE.architecture(), DraftLayout.NONE, WeightFormat.F32, 0.3)
                .close();
    }

    @AfterEach
    void closeAll() throws Exception {
        for (AutoCloseable each : opened.reversed()) {
            each.close();
        }
    }

    private TorchLearner learner(DraftLayout draft, LearnerOptions options) {
        PackedModel model = PackedModel.open(folder);
        opened.add(model);
        TorchLearner learner = TorchLearner.load(model, draft, options);
        opened.add(learner);
        Learning.scatter(learner, 11, 0.3);
        return learner;
    }

    private TorchLearner learner() {
        return learner(DRAFT, LearnerOptions.on(Device.CPU));
    }

    private static List<Sample> batch(int... lengths) {
        return Learning.samples(VOCABULARY, 5, 0.7, lengths);
    }

    @Test
    void gradientsOfPartsAddUpToThatOfTheWhole() {
        TorchLearner whole = learner();
        TorchLearner parts = learner();
        List<Sample> batch = batch(9, 14, 14, 3);
        List<HeadSums> all = Learning.learn(whole, batch, WEIGHTS);
        List<HeadSums> first = Learning.learn(parts, batch.subList(0, 2), WEIGHTS);
        List<HeadSums> second = Learning.learn(parts, batch.subList(2, 4), WEIGHTS);
        for (int head = 0; head < 3; head++) {
            HeadSums sum = first.get(head).plus(second.get(head));
            assertThat(sum.labels()).isEqualTo(all.get(head).labels()).isPositive();
            assertThat(sum.hits()).isEqualTo(all.get(head).hits());
            assertThat(sum.loss()).isCloseTo(all.get(head).loss(), within(1e-4));
        }
        assertSameGradients(whole, parts);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 1000})
    void theSizeOfAChunkDoesNotMatter(int rows) {
        TorchLearner one = learner();
        TorchLearner other = learner(DRAFT, LearnerOptions.on(Device.CPU).withChunkLogits((long) rows * VOCABULARY));
        List<Sample> batch = batch(20, 11);
        List<HeadSums> expected = Learning.learn(one, batch, WEIGHTS);
        List<HeadSums> found = Learning.learn(other, batch, WEIGHTS);
        for (int head = 0; head < 3; head++) {
            assertThat(found.get(head).hits()).isEqualTo(expected.get(head).hits());
            assertThat(found.get(head).loss()).isCloseTo(expected.get(head).loss(), within(1e-4));
        }
        assertSameGradients(one, other);
    }

    private static void assertSameGradients(TorchLearner one, TorchLearner other) {
        for (Parameter parameter : one.parameters()) {
            float[] expected = Learning.gradient(one, parameter);
            float[] found = Learning.gradient(other, parameter);
            assertThat(largest(expected)).as(parameter.name()).isPositive();
            for (int i = 0; i < expected.length; i++) {
                assertThat(found[i]).as(parameter.name()).isCloseTo(expected[i], within(2e-5f * largest(expected)));
            }
        }
    }

    private static float largest(float[] values) {
        float largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    @Test
    void measuringAndLearningSayTheSameAndMeasuringAddsNoGradient() {
        TorchLearner learner = learner();
        List<Sample> batch = batch(12, 7);
        List<HeadSums> measured = Learning.measure(learner, batch);
        for (Parameter parameter : learner.parameters()) {
            assertThat(Learning.gradient(learner, parameter)).containsOnly(0);
        }
        List<HeadSums> learnt = Learning.learn(learner, batch, WEIGHTS);
        for (int head = 0; head < 3; head++) {
            assertThat(learnt.get(head).loss()).isEqualTo(measured.get(head).loss());
            assertThat(learnt.get(head).hits()).isEqualTo(measured.get(head).hits());
            assertThat(learnt.get(head).labels())
                    .isEqualTo(batch.get(0).labels(head) + batch.get(1).labels(head));
        }
    }

    @Test
    void onlyLabelsWithinASampleCount() {
        TorchLearner learner = learner();
        boolean[] firstTwo = {true, true, false, false, false};
        Sample unreached = new Sample(new int[] {1, 2, 3, 4, 5}, firstTwo);
        Sample tooShort = new Sample(new int[] {6, 7}, new boolean[] {true, true});
        for (HeadSums sums : Learning.learn(learner, List.of(unreached, tooShort), WEIGHTS)) {
            assertThat(sums.labels()).isZero();
            assertThat(sums.loss()).isZero();
            assertThat(sums.hits()).containsOnly(0);
        }
        for (Parameter parameter : learner.parameters()) {
            assertThat(Learning.gradient(learner, parameter)).containsOnly(0);
        }
        float[] before = Learning.value(learner, learner.parameters().getFirst());
        Learner.Update still = new Learner.Update(1, 0.1, 0.9, 0.99, 1e-8, 0, 1);
        assertThat(learner.update(still)).isZero();
        assertThat(Learning.value(learner, learner.parameters().getFirst())).isEqualTo(before);
        // Three tokens: one label of the first head, none of the others.
        Sample shortest = new Sample(new int[] {1, 2, 3}, new boolean[] {false, false, true});
        assertThat(Learning.learn(learner, List.of(shortest), WEIGHTS))
                .extracting(HeadSums::labels)
                .containsExactly(1L, 0L, 0L);
        assertThat(learner.update(still)).isPositive().isFinite();
    }

    @Test
    void hitsAreCountedByRankAndTheFirstOfEqualGuessesIsTheBetterOne() {
        TorchLearner learner = learner(new DraftLayout(1, 1, 0, false), LearnerOptions.on(Device.CPU));
        // Heads of zeros guess all tokens alike.
        for (Parameter parameter : learner.parameters()) {
            learner.set(parameter, Part.VALUE, FloatBuffer.allocate(Learning.size(parameter)));
        }
        boolean[] last = {false, false, true};
        List<Sample> batch = List.of(
                new Sample(new int[] {0, 0, 0}, last),
                new Sample(new int[] {0, 0, 9}, last),
                new Sample(new int[] {0, 0, 10}, last),
                new Sample(new int[] {0, 0, 3}, last),
                new Sample(new int[] {0, 0, 3}, last));
        HeadSums sums = Learning.measure(learner, batch).getFirst();
        assertThat(sums.hits()).containsExactly(1, 0, 0, 2, 0, 0, 0, 0, 0, 1);
        assertThat(sums.labels()).isEqualTo(5);
        assertThat(sums.meanLoss()).isCloseTo(Math.log(VOCABULARY), within(1e-6));
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.POSITIVE_INFINITY, 0.05})
    void updatesAreThoseOfAdamW(double maxNorm) {
        TorchLearner learner = learner();
        List<Parameter> parameters = learner.parameters();
        List<double[]> values = new ArrayList<>();
        List<double[]> firsts = new ArrayList<>();
        List<double[]> seconds = new ArrayList<>();
        for (Parameter parameter : parameters) {
            float[] value = Learning.value(learner, parameter);
            double[] copy = new double[value.length];
            Arrays.setAll(copy, i -> value[i]);
            values.add(copy);
            firsts.add(new double[value.length]);
            seconds.add(new double[value.length]);
        }
        for (int step = 1; step <= 4; step++) {
            Learner.Update update = Learning.update(step, 0.01 / step, maxNorm);
            Learning.learn(learner, Learning.samples(VOCABULARY, step, 0.6, 12, 9), WEIGHTS);
            List<float[]> gradients = parameters.stream()
                    .map(each -> Learning.gradient(learner, each))
                    .toList();
            double norm = 0;
            for (float[] gradient : gradients) {
                for (float g : gradient) {
                    norm += (double) g * g;
                }
            }
            norm = Math.sqrt(norm);
            assertThat(norm).isGreaterThan(0.05);
            assertThat(learner.update(update)).isCloseTo(norm, within(1e-6 * norm));
            for (int p = 0; p < parameters.size(); p++) {
                adamW(update, norm, gradients.get(p), values.get(p), firsts.get(p), seconds.get(p));
                assertClose(Learning.value(learner, parameters.get(p)), values.get(p), 2e-5);
                assertClose(Learning.part(learner, parameters.get(p), Part.FIRST_MOMENT), firsts.get(p), 1e-6);
                assertClose(Learning.part(learner, parameters.get(p), Part.SECOND_MOMENT), seconds.get(p), 1e-6);
                assertThat(Learning.gradient(learner, parameters.get(p))).containsOnly(0);
            }
        }
    }

    /** As torch.optim.AdamW documents it. */
    private static void adamW(
            Learner.Update update, double norm, float[] gradient, double[] value, double[] first, double[] second) {
        double scale = Math.min(1, update.maxGradientNorm() / norm);
        for (int i = 0; i < value.length; i++) {
            double g = gradient[i] * scale;
            value[i] -= update.learningRate() * update.weightDecay() * value[i];
            first[i] = update.beta1() * first[i] + (1 - update.beta1()) * g;
            second[i] = update.beta2() * second[i] + (1 - update.beta2()) * g * g;
            double mean = first[i] / (1 - Math.pow(update.beta1(), (double) update.number()));
            double square = second[i] / (1 - Math.pow(update.beta2(), (double) update.number()));
            value[i] -= update.learningRate() * mean / (Math.sqrt(square) + update.epsilon());
        }
    }

    private static void assertClose(float[] found, double[] expected, double tolerance) {
        for (int i = 0; i < found.length; i++) {
            assertThat((double) found[i]).isCloseTo(expected[i], within(tolerance));
        }
    }

    @Test
    void anUpdateByWhatIsNoNumberChangesNothingAndIsForgotten() {
        TorchLearner learner = learner();
        List<Sample> batch = batch(12, 7);
        Learning.learn(learner, batch, WEIGHTS);
        learner.update(Learning.update(1, 0.01, 1));
        List<float[]> before = everything(learner);
        Learning.learn(learner, batch, Double.NaN, 1, 1);
        assertThat(learner.update(Learning.update(2, 0.01, 1))).isNaN();
        assertThat(everything(learner)).usingRecursiveComparison().isEqualTo(before);
        Learning.learn(learner, batch, Double.POSITIVE_INFINITY, 1, 1);
        assertThat(learner.update(Learning.update(2, 0.01, 1))).matches(norm -> !Double.isFinite(norm));
        assertThat(everything(learner)).usingRecursiveComparison().isEqualTo(before);
        Learning.learn(learner, batch, WEIGHTS);
        assertThat(learner.update(Learning.update(2, 0.01, 1))).isFinite();
        assertThat(everything(learner)).usingRecursiveComparison().isNotEqualTo(before);
    }

    private static List<float[]> everything(Learner learner) {
        List<float[]> all = new ArrayList<>();
        for (Parameter parameter : learner.parameters()) {
            for (Part part : Part.values()) {
                all.add(Learning.part(learner, parameter, part));
            }
        }
        return all;
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void lossFallsInEveryPrecision(Precision precision) {
        TorchLearner learner = learner(DRAFT, LearnerOptions.on(Device.CPU).in(precision));
        List<Sample> batch = Learning.samples(VOCABULARY, 5, 1, 16, 16, 10);
        double first = Learning.measure(learner, batch).getFirst().meanLoss();
        for (int step = 1; step <= 60; step++) {
            Learning.learn(learner, batch, WEIGHTS);
            assertThat(learner.update(Learning.update(step, 0.01, 1))).isFinite();
        }
        HeadSums last = Learning.measure(learner, batch).getFirst();
        assertThat(last.meanLoss()).isLessThan(0.3 * first);
        assertThat(last.top(1)).isGreaterThan(0.9);
    }

    @Test
    void coarserNumbersGiveNearlyTheSameGradients() {
        TorchLearner single = learner();
        TorchLearner coarse = learner(DRAFT, LearnerOptions.on(Device.CPU).in(Precision.BFLOAT16));
        List<Sample> batch = batch(30, 30, 25);
        double loss = Learning.learn(single, batch, WEIGHTS).getFirst().loss();
        assertThat(Learning.learn(coarse, batch, WEIGHTS).getFirst().loss()).isCloseTo(loss, within(0.02 * loss));
        for (Parameter parameter : single.parameters()) {
            float[] expected = Learning.gradient(single, parameter);
            float[] found = Learning.gradient(coarse, parameter);
            double distance = 0;
            double size = 0;
            for (int i = 0; i < expected.length; i++) {
                distance += Math.pow(found[i] - expected[i], 2);
                size += Math.pow(expected[i], 2);
            }
            assertThat(Math.sqrt(distance / size)).as(parameter.name()).isLessThan(0.05);
        }
    }

    @Test
    void theBaseNeverChanges() {
        TorchLearner learner = learner(new DraftLayout(2, 1, 2, true), LearnerOptions.on(Device.CPU));
        PackedModel model = (PackedModel) opened.getFirst();
        List<Sample> batch = batch(12, 7);
        // In single precision the base computes with the model's own memory.
        List<byte[]> weights = weights(model);
        byte[] states = states(learner, batch);
        for (int step = 1; step <= 10; step++) {
            Learning.learn(learner, batch, 1, 1);
            learner.update(Learning.update(step, 0.1, 10));
        }
        assertThat(states(learner, batch)).isEqualTo(states);
        assertThat(weights(model)).usingRecursiveComparison().isEqualTo(weights);
    }

    private static List<byte[]> weights(PackedModel model) {
        return model.manifest().tensors().stream()
                .map(tensor -> model.tensor(tensor.name()).data().toArray(ValueLayout.JAVA_BYTE))
                .toList();
    }

    private static byte[] states(Learner learner, List<Sample> batch) {
        try (Learner.States states = learner.read(batch)) {
            return learner.stored(states);
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.5})
    void statesComeBackFromTheirBytes(double distillation) {
        TorchLearner learner = learner(DRAFT, LearnerOptions.on(Device.CPU).withDistillation(distillation));
        List<Sample> batch = batch(12, 7, 7);
        byte[] stored = states(learner, batch);
        assertThat(stored).hasSize(26 * learner.bytesPerToken());
        List<HeadSums> expected = Learning.measure(learner, batch);
        try (Learner.States restored = learner.restore(batch, stored)) {
            List<HeadSums> found = learner.measure(batch, restored);
            for (int head = 0; head < 3; head++) {
                assertThat(found.get(head).loss()).isEqualTo(expected.get(head).loss());
            }
            assertThat(learner.stored(restored)).isEqualTo(stored);
        }
        // A sample's bytes stand together, as if it had been read alone.
        byte[] second = states(learner, batch.subList(1, 2));
        byte[] part = Arrays.copyOfRange(stored, 12 * learner.bytesPerToken(), 19 * learner.bytesPerToken());
        FloatBuffer alone = floats(second);
        FloatBuffer among = floats(part);
        while (alone.hasRemaining()) {
            assertThat(among.get()).isCloseTo(alone.get(), within(1e-5f));
        }
        assertThat(among.hasRemaining()).isFalse();
        assertThatThrownBy(() -> learner.restore(batch.subList(0, 1), stored))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("12 tokens");
    }

    private static FloatBuffer floats(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    /** Two heads that are a last matrix each, by hand: weight · Σ (p - label + distillation · (p - the base's)) state. */
    @Test
    void distillationPullsTowardsTheBasesOwnDistribution() {
        double distillation = 0.75;
        DraftLayout draft = new DraftLayout(2, 0, 0, false);
        LearnerOptions options =
                LearnerOptions.on(Device.CPU).in(Precision.DOUBLE).withDistillation(distillation);
        TorchLearner learner = learner(draft, options.withChunkLogits(3L * VOCABULARY));
        List<Sample> batch = batch(12);
        Sample sample = batch.getFirst();
        Learning.learn(learner, batch, 0.5, 0.25);
        int hidden = SHAPE.architecture().hiddenSize();
        // Without forked layers both halves are the base's normed states.
        float[] rows = new float[12 * 2 * hidden];
        floats(states(learner, batch)).get(rows);
        float[] base = new float[VOCABULARY * hidden];
        try (PackedModel model = PackedModel.open(folder)) {
            model.tensor("lm_head.weight")
                    .data()
                    .asByteBuffer()
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .asFloatBuffer()
                    .get(base);
        }
        for (int k = 0; k < 2; k++) {
            float[] head = Learning.value(learner, learner.parameters().get(k));
            double[] expected = new double[head.length];
            for (int i = 0; i + 2 + k < 12; i++) {
                if (sample.labelled()[i + 2 + k]) {
                    double[] own = softmax(head, rows, i, hidden);
                    double[] theirs = softmax(base, rows, i + 1 + k, hidden);
                    for (int v = 0; v < VOCABULARY; v++) {
                        double slope = own[v] - (v == sample.tokens()[i + 2 + k] ? 1 : 0);
                        slope += distillation * (own[v] - theirs[v]);
                        for (int j = 0; j < hidden; j++) {
                            expected[v * hidden + j] += 0.5 / (1 + k) * slope * rows[i * 2 * hidden + j];
                        }
                    }
                }
            }
            assertClose(Learning.gradient(learner, learner.parameters().get(k)), expected, 1e-5);
        }
    }

    private static double[] softmax(float[] matrix, float[] rows, int row, int hidden) {
        double[] p = new double[VOCABULARY];
        for (int v = 0; v < VOCABULARY; v++) {
            for (int j = 0; j < hidden; j++) {
                p[v] += (double) matrix[v * hidden + j] * rows[row * 2 * hidden + j];
            }
            p[v] = Math.exp(p[v]);
        }
        double sum = Arrays.stream(p).sum();
        return Arrays.stream(p).map(each -> each / sum).toArray();
    }

    @Test
    void partsComeBackAsTheyWereSet() {
        TorchLearner learner = learner();
        for (Parameter parameter : learner.parameters()) {
            for (Part part : Part.values()) {
                float[] values = new float[Learning.size(parameter)];
                Arrays.fill(values, part.name().length());
                values[values.length - 1] = -3;
                learner.set(parameter, part, FloatBuffer.wrap(values));
                assertThat(Learning.part(learner, parameter, part)).isEqualTo(values);
            }
        }
        assertThatThrownBy(() ->
                        learner.export(new Parameter("another", new int[] {1}), Part.VALUE, FloatBuffer.allocate(1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("another");
    }

    @Test
    void whatCannotBeLearntIsRefused() {
        TorchLearner learner = learner(DRAFT, LearnerOptions.on(Device.CPU).withContextLength(16));
        List<Sample> tooLong = batch(17);
        assertThatThrownBy(() -> learner.read(tooLong))
                .hasMessageContaining("17 tokens")
                .hasMessageContaining("16");
        List<Sample> foreign = List.of(new Sample(new int[] {1, VOCABULARY, 2}, new boolean[3]));
        assertThatThrownBy(() -> learner.read(foreign)).hasMessageContaining("token id " + VOCABULARY);
        assertThatThrownBy(() -> learner(new DraftLayout(1, 1, 3, false), LearnerOptions.on(Device.CPU)))
                .hasMessageContaining("3 decoder layers");
        assertThatThrownBy(() -> learner(DraftLayout.NONE, LearnerOptions.on(Device.CPU)))
                .hasMessageContaining("without a head");
        assertThatThrownBy(() -> learner(new DraftLayout(2, 0, 0, true), LearnerOptions.on(Device.CPU)))
                .hasMessageContaining("nothing to learn");
        assertThatThrownBy(() -> learner(DRAFT, LearnerOptions.on(Device.CPU).withContextLength(1000)))
                .hasMessageContaining("longer than");
    }

    @Test
    void closingTwiceIsClosingOnce() {
        TorchLearner learner = learner();
        learner.close();
        learner.close();
    }

    /** The JVM's own compiler takes and gives back memory meanwhile; what leaks grows in every stretch of steps. */
    @Test
    void stepsLeaveNothingBehind() {
        TorchLearner learner = learner(new DraftLayout(3, 1, 2, false), LearnerOptions.on(Device.CPU));
        long least = Long.MAX_VALUE;
        for (int stretch = 0; stretch < 6 && least >= LEAST_LEAK; stretch++) {
            long before = NativeMemory.inUse();
            for (int step = 1; step <= STRETCH; step++) {
                work(learner, stretch * STRETCH + step);
            }
            least = Math.min(least, NativeMemory.inUse() - before);
        }
        assertThat(least).isLessThan(LEAST_LEAK);
    }

    private static void work(TorchLearner learner, int step) {
        List<Sample> batch = Learning.samples(VOCABULARY, step, 0.8, 96, 96, 90);
        try (Learner.States states = learner.read(batch)) {
            byte[] stored = learner.stored(states);
            learner.learn(batch, states, WEIGHTS);
            learner.measure(batch, states);
            learner.restore(batch, stored).close();
        }
        learner.update(Learning.update(step, 1e-3, 1));
    }
}
