package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.Shape;
import dev.hydrallm.engine.TinyPack;
import dev.hydrallm.engine.torch.LearnerOptions.Precision;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Learner.Part;
import dev.hydrallm.training.Sample;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every parameter's gradient against differences of the loss, in double precision. */
class LearnerGradientTest {
    private static final float STEP = 0x1p-11f;

    @TempDir
    Path folder;

    static List<Shape> shapes() {
        List<Shape> shapes = new ArrayList<>(Shape.all());
        Architecture grouped = shapes.get(2).architecture();
        // Heads that are a last matrix alone, over a fork and without one.
        shapes.add(new Shape(grouped, new DraftLayout(2, 0, 1, false)));
        shapes.add(new Shape(grouped, new DraftLayout(2, 0, 0, false)));
        shapes.add(new Shape(grouped, new DraftLayout(2, 2, 0, true)));
        return shapes;
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void everyGradientIsTheLossesSlope(Shape shape) {
        Architecture architecture = shape.architecture();
        LearnerOptions options =
                LearnerOptions.on(Device.CPU).in(Precision.DOUBLE).withChunkLogits(5L * architecture.vocabSize());
        List<Sample> batch = Learning.samples(architecture.vocabSize(), 5, 0.7, 9, 9, 13, 2, 5);
        double[] weights = Learning.weights(shape.draft().heads());
        try (PackedModel model = TinyPack.write(folder, architecture, DraftLayout.NONE, WeightFormat.F32, 0.3);
                TorchLearner learner = TorchLearner.load(model, shape.draft(), options);
                Learner.States states = learner.read(batch)) {
            Learning.scatter(learner, 11, 0.3);
            learner.learn(batch, states, weights);
            Random random = new Random(3);
            for (Parameter parameter : learner.parameters()) {
                float[] gradient = Learning.gradient(learner, parameter);
                int size = gradient.length;
                float[] everywhere = new float[size];
                float[] oneNumber = new float[size];
                for (int i = 0; i < size; i++) {
                    everywhere[i] = random.nextBoolean() ? STEP : -STEP;
                }
                oneNumber[random.nextInt(size)] = STEP;
                for (float[] direction : List.of(everywhere, oneNumber)) {
                    double expected = 0;
                    double scale = 1e-3;
                    for (int i = 0; i < size; i++) {
                        expected += gradient[i] * direction[i] / STEP;
                        scale += Math.abs(gradient[i] * direction[i] / STEP);
                    }
                    double slope = slope(learner, parameter, direction, () -> {
                        List<HeadSums> sums = learner.measure(batch, states);
                        double loss = 0;
                        for (int head = 0; head < weights.length; head++) {
                            loss += weights[head] * sums.get(head).loss();
                        }
                        return loss;
                    });
                    assertThat(expected).as(parameter.name()).isCloseTo(slope, within(2e-4 * scale));
                }
            }
        }
    }

    private interface Loss {
        double now();
    }

    private static double slope(TorchLearner learner, Parameter parameter, float[] direction, Loss loss) {
        float[] value = Learning.value(learner, parameter);
        set(learner, parameter, value, direction, 1);
        double above = loss.now();
        set(learner, parameter, value, direction, -1);
        double below = loss.now();
        set(learner, parameter, value, direction, 0);
        return (above - below) / (2 * STEP);
    }

    private static void set(TorchLearner learner, Parameter parameter, float[] value, float[] direction, int times) {
        float[] moved = value.clone();
        for (int i = 0; i < moved.length; i++) {
            moved[i] += times * direction[i];
        }
        learner.set(parameter, Part.VALUE, FloatBuffer.wrap(moved));
    }
}
