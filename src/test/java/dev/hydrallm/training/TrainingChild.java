package dev.hydrallm.training;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A program that trains in a folder, slowly enough to be killed at any moment, and goes on where it was. */
final class TrainingChild {
    static final TrainingOptions OPTIONS =
            new TrainingOptions(3, 2, 1, 60, 0.05, 0.1, Schedule.COSINE, 0.01, 1, 0.8, 5);
    static final int VOCABULARY = 11;

    private TrainingChild() {}

    /** Takes the folder, and another for the base's states. */
    public static void main(String... arguments) throws IOException {
        train(Path.of(arguments[0]), Path.of(arguments[1]), 4);
    }

    static Trainer.Outcome train(Path folder, @Nullable Path states, int pause) throws IOException {
        try (RunFolder run = RunFolder.open(folder, Map.of("--seed", "5"), RunFolder.Resume.AUTO);
                FakeLearner learner = new FakeLearner(VOCABULARY, 3)) {
            Trainer trainer = new Trainer(
                            learner,
                            FakeSamples.random(40, VOCABULARY),
                            OPTIONS,
                            run,
                            new Trainer.Care(3, 5, 0),
                            new Trainer.Listener() {
                                @Override
                                public void progress(Trainer.Progress progress) {
                                    sleep(pause);
                                }

                                @Override
                                public void notice(String line) {}
                            })
                    .holdingOut(FakeSamples.random(5, VOCABULARY));
            if (states != null) {
                trainer.keepingStates(states, "base");
            }
            return trainer.run(FakeLearner::zeros, () -> false);
        }
    }

    private static void sleep(int milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
