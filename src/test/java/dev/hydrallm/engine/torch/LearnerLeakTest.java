package dev.hydrallm.engine.torch;

import static dev.hydrallm.engine.torch.TinyLearners.VOCABULARY;
import static dev.hydrallm.engine.torch.TinyLearners.WEIGHTS;
import static dev.hydrallm.engine.torch.TinyLearners.batch;
import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.engine.Device;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Sample;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Memory over many steps. */
class LearnerLeakTest {
    private static final int STRETCH = 100;
    /** Bytes in a stretch: states alone are 27 kB a step, and graphs far more. */
    private static final long LEAST_LEAK = STRETCH * 15_000L;

    @RegisterExtension
    final TinyLearners learners = new TinyLearners();

    /** The JVM's own compiler takes and gives back memory meanwhile; what leaks grows in every stretch of steps. */
    @Test
    void stepsLeaveNothingBehind() {
        TorchLearner learner = learners.learner(new DraftLayout(3, 1, 2, false), LearnerOptions.on(Device.CPU));
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
