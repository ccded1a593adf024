package dev.hydrallm.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.ModelFormatException;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints on a disk that fails. */
final class SnapshotsTest {
    @TempDir
    Path folder;

    private final Told told = new Told();

    @Test
    void whenOneOfTheWritesFailsThereIsAWholeCheckpoint() throws Exception {
        for (String stage : List.of("create", "tensors", "state", "move", "delete", "delete one")) {
            Path run = Files.createDirectories(folder.resolve(stage));
            FakeLearner learner = new FakeLearner(3, 1);
            Snapshots good = new Snapshots(run);
            for (int step = 1; step <= 2; step++) {
                set(learner, step);
                good.save(learner, step, 0, Window.EMPTY);
            }
            set(learner, 3);
            Snapshots failing = new Snapshots(run, each -> {
                if (each.equals(stage)) {
                    throw new IOException("no space left on device");
                }
            });
            assertThatThrownBy(() -> failing.save(learner, 3, 0, Window.EMPTY)).hasMessageContaining("no space");

            Snapshots.State state = good.load(learner, told.notices::add).orElseThrow();
            assertThat(state.step()).as(stage).isEqualTo(stage.startsWith("delete") ? 3 : 2);
            assertThat(learner.values()).containsOnly((float) state.step());
            set(learner, 4);
            good.save(learner, 4, 0, Window.EMPTY);
            assertThat(good.load(learner, told.notices::add).orElseThrow().step())
                    .isEqualTo(4);
        }
        assertThat(told.notices).isEmpty();
    }

    @Test
    void withoutAWholeCheckpointItSaysSo() throws Exception {
        FakeLearner learner = new FakeLearner(3, 1);
        Snapshots snapshots = new Snapshots(folder);
        snapshots.save(learner, 1, 0, Window.EMPTY);
        Files.writeString(folder.resolve("checkpoint-00000001/state.json"), "{\"step\": ");

        assertThatThrownBy(() -> snapshots.load(learner, told.notices::add))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("none of its 1 checkpoints is whole");
    }

    private static void set(FakeLearner learner, float value) {
        for (Learner.Parameter parameter : learner.parameters()) {
            for (Learner.Part part : Learner.Part.values()) {
                FloatBuffer numbers =
                        FloatBuffer.allocate(parameter.shape()[0] * parameter.shape()[1]);
                while (numbers.hasRemaining()) {
                    numbers.put(value);
                }
                learner.set(parameter, part, numbers.flip());
            }
        }
    }
}
