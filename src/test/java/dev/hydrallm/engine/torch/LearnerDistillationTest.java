package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.TinyPack;
import dev.hydrallm.engine.torch.LearnerOptions.Precision;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Sample;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a base's own distribution adds to gradients. */
class LearnerDistillationTest {
    private static final double DISTILLATION = 0.75;
    private static final int VOCABULARY = 5;
    private static final int HIDDEN = 4;
    private static final Architecture BASE =
            new Architecture(VOCABULARY, HIDDEN, 4, 2, 2, 1, 2, 1e-5, 10_000, 32, false);
    private static final LearnerOptions OPTIONS =
            LearnerOptions.on(Device.CPU).in(Precision.DOUBLE).withThreads(1).withDistillation(DISTILLATION);

    @TempDir
    Path folder;

    /** The divergence from the base's p is, but for what does not depend on the heads, Σ over tokens of p · their cross-entropy. */
    @Test
    void everyGradientIsTheSlopeOfLossAndDivergence() {
        double[] weights = Learning.weights(2);
        // One label, which both heads foretell from their own rows: what the base itself foretells there is row 4's.
        List<List<Sample>> labels = IntStream.range(0, VOCABULARY)
                .mapToObj(token -> List.of(new Sample(
                        new int[] {1, 4, 2, 0, 3, token}, new boolean[] {false, false, false, false, false, true})))
                .toList();
        List<Sample> batch = labels.get(2);
        try (PackedModel model = pack();
                TorchLearner learner = TorchLearner.load(model, new DraftLayout(2, 1, 1, false), OPTIONS);
                Learner.States states = learner.read(batch)) {
            Learning.scatter(learner, 11, 0.3);
            // Behind what is tapped come the base's own normed states.
            float[] rows = floats(learner.stored(states));
            double[] theirs = softmax(lmHead(model), rows, (2 * 4 + 1) * HIDDEN);
            learner.learn(batch, states, weights);
            Slopes.assertGradients(learner, () -> {
                double loss = Slopes.loss(learner, batch, states, weights);
                for (int token = 0; token < VOCABULARY; token++) {
                    loss += DISTILLATION * theirs[token] * Slopes.loss(learner, labels.get(token), states, weights);
                }
                return loss;
            });
        }
    }

    /** Many rows of two heads that are a last matrix each, by hand: weight · Σ (p - label + distillation · (p - the base's)) state. */
    @Test
    void everyRowIsPulledTowardsWhatTheBaseForetellsThere() {
        List<Sample> batch = Learning.samples(VOCABULARY, 5, 0.7, 12);
        Sample sample = batch.getFirst();
        try (PackedModel model = pack();
                TorchLearner learner = TorchLearner.load(
                        model, new DraftLayout(2, 0, 0, false), OPTIONS.withChunkLogits(3L * VOCABULARY));
                Learner.States states = learner.read(batch)) {
            Learning.scatter(learner, 11, 0.3);
            learner.learn(batch, states, new double[] {0.5, 0.25});
            // Without forked layers both halves are the base's normed states.
            float[] rows = floats(learner.stored(states));
            float[] base = lmHead(model);
            for (int k = 0; k < 2; k++) {
                float[] head = Learning.value(learner, learner.parameters().get(k));
                double[] expected = new double[head.length];
                for (int i = 0; i + 2 + k < 12; i++) {
                    if (sample.labelled()[i + 2 + k]) {
                        double[] own = softmax(head, rows, i * 2 * HIDDEN);
                        double[] theirs = softmax(base, rows, (i + 1 + k) * 2 * HIDDEN);
                        for (int v = 0; v < VOCABULARY; v++) {
                            double slope = own[v] - (v == sample.tokens()[i + 2 + k] ? 1 : 0);
                            slope += DISTILLATION * (own[v] - theirs[v]);
                            for (int j = 0; j < HIDDEN; j++) {
                                expected[v * HIDDEN + j] += 0.5 / (1 + k) * slope * rows[i * 2 * HIDDEN + j];
                            }
                        }
                    }
                }
                float[] found = Learning.gradient(learner, learner.parameters().get(k));
                for (int i = 0; i < found.length; i++) {
                    assertThat((double) found[i]).isCloseTo(expected[i], within(1e-5));
                }
            }
        }
    }

    private PackedModel pack() {
        return TinyPack.write(folder, BASE, DraftLayout.NONE, WeightFormat.F32, 0.3);
    }

    private static float[] lmHead(PackedModel model) {
        ByteBuffer bytes = model.tensor("lm_head.weight").data().asByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[VOCABULARY * HIDDEN];
        bytes.asFloatBuffer().get(values);
        return values;
    }

    private static float[] floats(byte[] bytes) {
        float[] values = new float[bytes.length / Float.BYTES];
        ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder()).asFloatBuffer().get(values);
        return values;
    }

    /** What a last matrix makes of the state that begins there. */
    private static double[] softmax(float[] matrix, float[] rows, int from) {
        double[] p = new double[VOCABULARY];
        for (int v = 0; v < VOCABULARY; v++) {
            for (int j = 0; j < HIDDEN; j++) {
                p[v] += (double) matrix[v * HIDDEN + j] * rows[from + j];
            }
            p[v] = Math.exp(p[v]);
        }
        double sum = Arrays.stream(p).sum();
        return Arrays.stream(p).map(each -> each / sum).toArray();
    }
}
