package dev.hydrallm.engine.torch;

import static dev.hydrallm.model.AttentionPart.O_BIAS;
import static dev.hydrallm.model.AttentionPart.QKV_BIAS;
import static dev.hydrallm.model.AttentionPart.QK_NORM;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.Shape;
import dev.hydrallm.engine.TinyPack;
import dev.hydrallm.engine.torch.LearnerOptions.Precision;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.RopeScaling;
import dev.hydrallm.model.SlidingWindow;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Sample;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The gradient by every single number that learns, against differences of the loss, in double precision. */
class LearnerGradientTest {
    private static final LearnerOptions DOUBLE =
            LearnerOptions.on(Device.CPU).in(Precision.DOUBLE).withThreads(1);

    private static final Set<DraftPart> NEXT_TOKEN = Set.of(DraftPart.NEXT_TOKEN);

    @TempDir
    Path folder;

    /** Each with a part that no other one has. */
    static List<Shape> shapes() {
        RopeScaling yarn = new RopeScaling.Yarn(4, 1.14, 32, 1, 24);
        return List.of(
                new Shape(base(2, null, null), new DraftLayout(2, 1, 0, false)),
                new Shape(base(2, null, null), new DraftLayout(2, 0, 0, false)),
                new Shape(base(2, null, null), new DraftLayout(2, 1, 1, false)),
                new Shape(base(1, null, null), new DraftLayout(1, 2, 2, true)),
                new Shape(base(2, null, null), new DraftLayout(2, 1, 0, true, NEXT_TOKEN)),
                new Shape(base(1, null, null), new DraftLayout(2, 1, 1, false, NEXT_TOKEN)),
                new Shape(base(1, null, null, QKV_BIAS), new DraftLayout(1, 0, 1, false)),
                new Shape(base(1, new SlidingWindow(3, 1), null, QK_NORM), new DraftLayout(1, 1, 1, true)),
                new Shape(base(2, new SlidingWindow(4, 1), yarn, QKV_BIAS, O_BIAS), new DraftLayout(1, 1, 2, false)));
    }

    private static Architecture base(
            int kvHeads, @Nullable SlidingWindow window, @Nullable RopeScaling scaling, AttentionPart... parts) {
        return new Architecture(11, 8, 4, 2, 2, kvHeads, 4, 1e-5, 10_000, 32, false, Set.of(parts), window, scaling);
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void everyGradientIsTheLossesSlope(Shape shape) {
        int vocabulary = shape.architecture().vocabSize();
        List<Sample> batch = Learning.samples(vocabulary, 5, 0.7, 5, 5, 6, 2);
        double[] weights = Learning.weights(shape.draft().heads());
        try (PackedModel model = TinyPack.write(folder, shape.architecture(), DraftLayout.NONE, WeightFormat.F32, 0.3);
                TorchLearner learner =
                        TorchLearner.load(model, shape.draft(), DOUBLE.withChunkLogits(5L * vocabulary));
                Learner.States states = learner.read(batch)) {
            Learning.scatter(learner, 11, 0.3);
            learner.learn(batch, states, weights);
            Slopes.assertGradients(learner, () -> Slopes.loss(learner, batch, states, weights));
        }
    }
}
