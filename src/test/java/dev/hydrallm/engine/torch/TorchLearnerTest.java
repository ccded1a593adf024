package dev.hydrallm.engine.torch;

import static dev.hydrallm.engine.torch.TinyLearners.DRAFT;
import static dev.hydrallm.engine.torch.TinyLearners.VOCABULARY;
import static dev.hydrallm.engine.torch.TinyLearners.WEIGHTS;
import static dev.hydrallm.engine.torch.TinyLearners.batch;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.torch.LearnerOptions.Precision;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Learner.Part;
import dev.hydrallm.training.Sample;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a learner promises to the loop around it. */
class TorchLearnerTest {
    @RegisterExtension
    final TinyLearners learners = new TinyLearners();

    @Test
    void gradientsOfPartsAddUpToThatOfTheWhole() {
        TorchLearner whole = learners.learner();
        TorchLearner parts = learners.learner();
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
        TorchLearner one = learners.learner();
        TorchLearner other =
                learners.learner(DRAFT, LearnerOptions.on(Device.CPU).withChunkLogits((long) rows * VOCABULARY));
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
        TorchLearner learner = learners.learner();
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
        TorchLearner learner = learners.learner();
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
        TorchLearner learner = learners.learner(new DraftLayout(1, 1, 0, false), LearnerOptions.on(Device.CPU));
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

    @Test
    void coarserNumbersGiveNearlyTheSameGradients() {
        TorchLearner single = learners.learner();
        TorchLearner coarse =
                learners.learner(DRAFT, LearnerOptions.on(Device.CPU).in(Precision.BFLOAT16));
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

    private static byte[] states(Learner learner, List<Sample> batch) {
        try (Learner.States states = learner.read(batch)) {
            return learner.stored(states);
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.5})
    void statesComeBackFromTheirBytes(double distillation) {
        TorchLearner learner =
                learners.learner(DRAFT, LearnerOptions.on(Device.CPU).withDistillation(distillation));
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

    @Test
    void partsComeBackAsTheyWereSet() {
        TorchLearner learner = learners.learner();
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
        TorchLearner learner =
                learners.learner(DRAFT, LearnerOptions.on(Device.CPU).withContextLength(16));
        List<Sample> tooLong = batch(17);
        assertThatThrownBy(() -> learner.read(tooLong))
                .hasMessageContaining("17 tokens")
                .hasMessageContaining("16");
        List<Sample> foreign = List.of(new Sample(new int[] {1, VOCABULARY, 2}, new boolean[3]));
        assertThatThrownBy(() -> learner.read(foreign)).hasMessageContaining("token id " + VOCABULARY);
        assertThatThrownBy(() -> learners.learner(new DraftLayout(1, 1, 3, false), LearnerOptions.on(Device.CPU)))
                .hasMessageContaining("3 decoder layers");
        assertThatThrownBy(() -> learners.learner(DraftLayout.NONE, LearnerOptions.on(Device.CPU)))
                .hasMessageContaining("without a head");
        assertThatThrownBy(() -> learners.learner(new DraftLayout(2, 0, 0, true), LearnerOptions.on(Device.CPU)))
                .hasMessageContaining("nothing to learn");
        assertThatThrownBy(() ->
                        learners.learner(DRAFT, LearnerOptions.on(Device.CPU).withContextLength(1000)))
                .hasMessageContaining("longer than");
    }

    @Test
    void closingTwiceIsClosingOnce() {
        TorchLearner learner = learners.learner();
        learner.close();
        learner.close();
    }
}
