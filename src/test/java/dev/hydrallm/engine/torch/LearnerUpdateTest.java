package dev.hydrallm.engine.torch;

import static dev.hydrallm.engine.torch.TinyLearners.DRAFT;
import static dev.hydrallm.engine.torch.TinyLearners.VOCABULARY;
import static dev.hydrallm.engine.torch.TinyLearners.WEIGHTS;
import static dev.hydrallm.engine.torch.TinyLearners.batch;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.torch.LearnerOptions.Precision;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Learner.Part;
import dev.hydrallm.training.Sample;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a step changes, and what never changes. */
class LearnerUpdateTest {
    @RegisterExtension
    final TinyLearners learners = new TinyLearners();

    @ParameterizedTest
    @ValueSource(doubles = {Double.POSITIVE_INFINITY, 0.05})
    void updatesAreThoseOfAdamW(double maxNorm) {
        TorchLearner learner = learners.learner();
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
                adamW(parameters.get(p), update, norm, gradients.get(p), values.get(p), firsts.get(p), seconds.get(p));
                assertClose(Learning.value(learner, parameters.get(p)), values.get(p), 2e-5);
                assertClose(Learning.part(learner, parameters.get(p), Part.FIRST_MOMENT), firsts.get(p), 1e-6);
                assertClose(Learning.part(learner, parameters.get(p), Part.SECOND_MOMENT), seconds.get(p), 1e-6);
                assertThat(Learning.gradient(learner, parameters.get(p))).containsOnly(0);
            }
        }
    }

    /** As torch.optim.AdamW documents it; the transformers library leaves norms and biases out of the decay. */
    private static void adamW(
            Parameter parameter,
            Learner.Update update,
            double norm,
            float[] gradient,
            double[] value,
            double[] first,
            double[] second) {
        boolean decays = !parameter.name().contains("norm") && !parameter.name().endsWith(".bias");
        double decay = decays ? update.weightDecay() : 0;
        double scale = Math.min(1, update.maxGradientNorm() / norm);
        for (int i = 0; i < value.length; i++) {
            double g = gradient[i] * scale;
            value[i] -= update.learningRate() * decay * value[i];
            first[i] = update.beta1() * first[i] + (1 - update.beta1()) * g;
            second[i] = update.beta2() * second[i] + (1 - update.beta2()) * g * g;
            double mean = first[i] / (1 - Math.pow(update.beta1(), (double) update.number()));
            double square = second[i] / (1 - Math.pow(update.beta2(), (double) update.number()));
            value[i] -= update.learningRate() * mean / (Math.sqrt(square) + update.epsilon());
        }
    }

    @Test
    void anUpdateByWhatIsNoNumberChangesNothingAndIsForgotten() {
        TorchLearner learner = learners.learner();
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
        TorchLearner learner =
                learners.learner(DRAFT, LearnerOptions.on(Device.CPU).in(precision));
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
    void theBaseNeverChanges() {
        PackedModel model = learners.model();
        TorchLearner learner = learners.learner(model, new DraftLayout(2, 1, 2, true), LearnerOptions.on(Device.CPU));
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

    private static void assertClose(float[] found, double[] expected, double tolerance) {
        for (int i = 0; i < found.length; i++) {
            assertThat((double) found[i]).isCloseTo(expected[i], within(tolerance));
        }
    }

    private static byte[] states(Learner learner, List<Sample> batch) {
        try (Learner.States states = learner.read(batch)) {
            return learner.stored(states);
        }
    }
}
