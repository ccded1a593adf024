package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Learner.Part;
import dev.hydrallm.training.Sample;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.function.DoubleSupplier;

/** A learner's gradients against central differences of its loss, number by number. */
final class Slopes {
    /** Adds exactly to weights of {@link Learning#scatter}; the differences' error is of its square's order, some 1e-8. */
    private static final float STEP = 0x1p-13f;

    private static final double TOLERANCE = 1e-6;

    private Slopes() {}

    /** Σ over heads of weight · loss, which is what {@link Learner#learn} adds the gradient of. */
    static double loss(Learner learner, List<Sample> batch, Learner.States states, double[] weights) {
        List<HeadSums> sums = learner.measure(batch, states);
        double loss = 0;
        for (int head = 0; head < weights.length; head++) {
            loss += weights[head] * sums.get(head).loss();
        }
        return loss;
    }

    /**
     * Compares every number's gradient so far with the slope of the loss.
     *
     * @param loss of the values as they are
     */
    static void assertGradients(TorchLearner learner, DoubleSupplier loss) {
        for (Parameter parameter : learner.parameters()) {
            float[] gradient = Learning.gradient(learner, parameter);
            float[] value = Learning.value(learner, parameter);
            for (int i = 0; i < value.length; i++) {
                float before = value[i];
                double above = moved(learner, parameter, value, i, before + STEP, loss);
                double below = moved(learner, parameter, value, i, before - STEP, loss);
                value[i] = before;
                double slope = (above - below) / (2 * STEP);
                assertThat((double) gradient[i])
                        .as("%s[%d]", parameter.name(), i)
                        .isCloseTo(slope, within(TOLERANCE * (1 + Math.abs(slope))));
            }
            learner.set(parameter, Part.VALUE, FloatBuffer.wrap(value));
            assertThat(gradient).as(parameter.name()).isNotEqualTo(new float[gradient.length]);
        }
    }

    private static double moved(
            Learner learner, Parameter parameter, float[] value, int place, float number, DoubleSupplier loss) {
        value[place] = number;
        learner.set(parameter, Part.VALUE, FloatBuffer.wrap(value));
        return loss.getAsDouble();
    }
}
