package dev.hydrallm.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The base's states on the disk. */
final class StateCacheTest {
    private static final Map<String, String> IDENTITY = Map.of("--seed", "1");
    private static final TrainingOptions OPTIONS =
            new TrainingOptions(2, 2, 1, 30, 0.1, 0.1, Schedule.COSINE, 0, 1, 1, 1);
    private static final Trainer.Care CARE = new Trainer.Care(1, 50, 0);

    @TempDir
    Path folder;

    private final Told told = new Told();

    @Test
    void statesOfTheBaseAreReadOnce() throws Exception {
        Samples samples = FakeSamples.random(20, 5);
        FakeLearner first = new FakeLearner(5, 2);
        RunFolder run = RunFolder.open(folder.resolve("a"), IDENTITY, RunFolder.Resume.AUTO);
        new Trainer(first, samples, OPTIONS, run, CARE, told)
                .keepingStates(folder.resolve("states"), "base")
                .run(FakeLearner::zeros, () -> false);
        FakeLearner second = new FakeLearner(5, 2);
        run = RunFolder.open(folder.resolve("b"), IDENTITY, RunFolder.Resume.AUTO);
        new Trainer(second, samples, OPTIONS, run, CARE, told)
                .keepingStates(folder.resolve("states"), "base")
                .run(FakeLearner::zeros, () -> false);
        FakeLearner other = new FakeLearner(5, 2);
        run = RunFolder.open(folder.resolve("c"), IDENTITY, RunFolder.Resume.AUTO);
        new Trainer(other, samples, OPTIONS, run, CARE, told)
                .keepingStates(folder.resolve("states"), "another base")
                .run(FakeLearner::zeros, () -> false);

        // The first epoch's 10 batches; a later batch of some samples that are there and some that are not is read,
        // too.
        assertThat(first.reads).isEqualTo(10);
        assertThat(second.reads).isZero();
        assertThat(other.reads).isEqualTo(10);
        assertThat(second.values()).isEqualTo(first.values());
    }

    @Test
    void aBatchWithMoreStatesThanAnArrayHoldsIsRefusedInWords() throws Exception {
        Samples samples = new FakeSamples(
                List.of(new Sample(new int[16], new boolean[16]), new Sample(new int[16], new boolean[16])));
        int[] both = {0, 1};
        try (StateCache cache = StateCache.open(folder, "key", samples, 70_000_000, told.notices::add)) {
            assertThatThrownBy(() -> cache.states(new FakeLearner(5, 2), both, List.of()))
                    .hasMessageContainingAll("take 2.2 GB", "--per-device-train-batch-size");
        }
    }

    @Test
    void damagedStatesAreMadeAnew() throws Exception {
        Samples samples = FakeSamples.random(6, 5);
        FakeLearner learner = new FakeLearner(5, 1);
        int[] all = {0, 1, 2, 3, 4, 5};
        List<Sample> batch = FakeSamples.random(6, 5).samples();
        try (StateCache cache = StateCache.open(folder, "key", samples, 4, told.notices::add)) {
            cache.states(learner, all, batch).close();
            assertThat(cache.made()).isEqualTo(6);
        }
        Path file;
        try (Stream<Path> files = Files.list(folder)) {
            file = files.findFirst().orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 2] ^= 4;
        Files.write(file, bytes);
        try (StateCache cache = StateCache.open(folder, "key", samples, 4, told.notices::add)) {
            byte[] states = learner.stored(cache.states(learner, all, batch));
            assertThat(states).isEqualTo(learner.stored(learner.read(batch)));
            assertThat(cache.made()).isEqualTo(6);
            assertThatThrownBy(() -> StateCache.open(folder, "key", samples, 4, told.notices::add))
                    .hasMessageContaining("another run works on it");
        }
        Files.write(file, new byte[] {1}, StandardOpenOption.APPEND);
        try (StateCache cache = StateCache.open(folder, "key", samples, 4, told.notices::add)) {
            assertThat(told.notices.getLast()).startsWith("keeping");
            assertThat(told.notices).anyMatch(line -> line.endsWith("is damaged; making it anew"));
            cache.states(learner, all, batch).close();
            cache.states(learner, new int[] {3}, batch.subList(3, 4)).close();
            assertThat(cache.found()).isEqualTo(1);
        }
    }
}
