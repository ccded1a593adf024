package dev.hydrallm.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class PlanTest {
    @Property(tries = 200)
    void everyEpochTakesEachSampleOnce(
            @ForAll @IntRange(min = 1, max = 300) int samples,
            @ForAll @IntRange(min = 1, max = 9) int batch,
            @ForAll @IntRange(min = 1, max = 5) int accumulation,
            @ForAll long seed) {
        int[] lengths = IntStream.range(0, samples).map(i -> 1 + i * 7919 % 101).toArray();
        BatchPlan plan = new BatchPlan(lengths, batch, accumulation, seed);

        for (long epoch = 0; epoch < 3; epoch++) {
            List<Integer> taken = new ArrayList<>();
            for (long step = 1; step <= plan.stepsPerEpoch(); step++) {
                List<int[]> batches = plan.step(epoch * plan.stepsPerEpoch() + step);
                assertThat(batches).hasSizeBetween(1, accumulation);
                batches.forEach(each -> {
                    assertThat(each.length).isBetween(1, batch);
                    Arrays.stream(each).forEach(taken::add);
                });
            }
            assertThat(taken).hasSize(samples).doesNotHaveDuplicates();
        }
    }

    @Test
    void anOrderIsTheEpochsOwnAndTheSeedsOwnAndAlwaysTheSame() {
        int[] lengths = new int[64];
        BatchPlan plan = new BatchPlan(lengths, 64, 1, 1);
        int[] first = plan.step(1).getFirst().clone();
        int[] second = plan.step(2).getFirst().clone();

        assertThat(first).isNotEqualTo(second);
        assertThat(plan.step(1).getFirst()).isEqualTo(first);
        assertThat(new BatchPlan(lengths, 64, 1, 1).step(2).getFirst()).isEqualTo(second);
        assertThat(new BatchPlan(lengths, 64, 1, 2).step(1).getFirst()).isNotEqualTo(first);
    }

    @Test
    void samplesOfABatchAreOfAboutTheSameLength() {
        int[] lengths = IntStream.range(0, 4000).map(i -> 1 + i * 7919 % 1000).toArray();
        BatchPlan plan = new BatchPlan(lengths, 8, 1, 3);
        double spread = 0;
        for (long step = 1; step <= plan.stepsPerEpoch(); step++) {
            int[] batch = plan.step(step).getFirst();
            spread += Arrays.stream(batch).map(i -> lengths[i]).max().orElseThrow()
                    - Arrays.stream(batch).map(i -> lengths[i]).min().orElseThrow();
        }

        // Unsorted it is about 780.
        assertThat(spread / plan.stepsPerEpoch()).isLessThan(60);
    }

    @Test
    void schedulesFollowTheirFormulas() {
        long steps = 1000;
        for (long step = 1; step <= steps; step++) {
            double part = (step - 101) / 900.0;
            double warm = step / 101.0;
            assertThat(Schedule.COSINE.share(step, steps, 0.1))
                    .isCloseTo(step <= 100 ? warm : (1 + Math.cos(Math.PI * part)) / 2, within(1e-12));
            assertThat(Schedule.LINEAR.share(step, steps, 0.1)).isCloseTo(step <= 100 ? warm : 1 - part, within(1e-12));
            assertThat(Schedule.CONSTANT.share(step, steps, 0.1)).isEqualTo(1);
            assertThat(Schedule.CONSTANT_WITH_WARMUP.share(step, steps, 0.1)).isEqualTo(step <= 100 ? warm : 1);
        }
        assertThat(Schedule.COSINE.share(1, 1, 0.1)).isPositive();
        assertThat(Schedule.COSINE.share(1, 10, 0)).isEqualTo(1);
        assertThat(Schedule.LINEAR.share(10, 10, 1)).isPositive();
        assertThat(Schedule.named("constant-with-warmup")).isEqualTo(Schedule.CONSTANT_WITH_WARMUP);
        assertThatThrownBy(() -> Schedule.named("square")).hasMessageContaining("square is not cosine, linear");
    }

    @Test
    void epochsAreCountedInSteps() {
        BatchPlan plan = new BatchPlan(new int[10], 2, 2, 1);
        assertThat(plan.stepsPerEpoch()).isEqualTo(3);
        assertThat(options(1, 0).steps(plan)).isEqualTo(3);
        assertThat(options(2.5, 0).steps(plan)).isEqualTo(8);
        assertThat(options(2.5, 4).steps(plan)).isEqualTo(4);
    }

    private static TrainingOptions options(double epochs, long steps) {
        return new TrainingOptions(2, 2, epochs, steps, 1e-3, 0.1, Schedule.COSINE, 0, 1, 1, 1);
    }

    @Test
    void optionsOutOfTheirBoundsAreNamed() {
        assertThatThrownBy(() -> new TrainingOptions(0, 1, 1, 0, 1e-3, 0, Schedule.COSINE, 0, 1, 1, 1))
                .hasMessageContaining("batch");
        assertThatThrownBy(() -> new TrainingOptions(1, 1, 0, 0, 1e-3, 0, Schedule.COSINE, 0, 1, 1, 1))
                .hasMessageContaining("epochs");
        assertThatThrownBy(() -> new TrainingOptions(1, 1, 1, 0, Double.NaN, 0, Schedule.COSINE, 0, 1, 1, 1))
                .hasMessageContaining("learning rate");
        assertThatThrownBy(() -> new TrainingOptions(1, 1, 1, 0, 1e-3, 2, Schedule.COSINE, 0, 1, 1, 1))
                .hasMessageContaining("warm-up");
    }

    @Test
    void samplesThatSayNothingNeverReachAHead() {
        boolean[] early = {true, true, false, false};
        boolean[] late = {false, false, true, false, false, true};
        UsableSamples usable = UsableSamples.of(
                new FakeSamples(List.of(
                        new Sample(new int[] {1, 2, 3, 4}, early),
                        new Sample(new int[] {5}, new boolean[] {true}),
                        new Sample(new int[] {1, 2, 3, 4, 5, 6}, late))),
                4,
                7,
                done -> {});

        assertThat(usable.count()).isEqualTo(1);
        assertThat(usable.useless()).isEqualTo(2);
        assertThat(usable.cut()).isEqualTo(1);
        assertThat(usable.length(0)).isEqualTo(4);
        assertThat(usable.tokens()).isEqualTo(4);
        assertThat(usable.get(0).tokens()).containsExactly(1, 2, 3, 4);
        assertThatThrownBy(() -> UsableSamples.of(
                        new FakeSamples(List.of(new Sample(new int[] {1, 2, 3, 4}, early))), 9, 7, done -> {}))
                .hasMessageContaining("none of 1 samples");
        assertThatThrownBy(() -> UsableSamples.of(
                        new FakeSamples(List.of(new Sample(new int[] {1, 9, 3, 4}, early))), 9, 7, done -> {}))
                .hasMessageContaining("sample 0 has the token 9");
    }

    @TempDir
    Path folder;

    @Test
    void aFolderIsForOneRun() throws IOException {
        Map<String, String> identity = Map.of("--learning-rate", "0.001", "--seed", "1");
        Path run = folder.resolve("run");
        try (RunFolder open = RunFolder.open(run, identity, RunFolder.Resume.AUTO)) {
            assertThat(open.isKnown()).isFalse();
            assertThatThrownBy(() -> RunFolder.open(run, identity, RunFolder.Resume.AUTO))
                    .hasMessageContaining("another process");
        }
        Files.writeString(run.resolve("metrics.jsonl"), "{\"step\":1}\n");
        try (RunFolder open = RunFolder.open(run, identity, RunFolder.Resume.REQUIRED)) {
            assertThat(open.isKnown()).isTrue();
        }
        assertThatThrownBy(() ->
                        RunFolder.open(run, Map.of("--learning-rate", "0.002", "--seed", "1"), RunFolder.Resume.AUTO))
                .hasMessageContaining("another run (--learning-rate was 0.001 and is 0.002)");
        assertThatThrownBy(() -> RunFolder.open(run, identity, RunFolder.Resume.NEVER))
                .hasMessageContaining("choose another --output-dir");
        assertThatThrownBy(() -> RunFolder.open(folder.resolve("none"), identity, RunFolder.Resume.REQUIRED))
                .hasMessageContaining("no run");
        Path full = Files.createDirectory(folder.resolve("full"));
        Files.writeString(full.resolve("thesis.txt"), "years of work");
        assertThatThrownBy(() -> RunFolder.open(full, identity, RunFolder.Resume.AUTO))
                .hasMessageContaining("holds something");
        assertThat(full).isDirectoryContaining(file -> file.endsWith("thesis.txt"));
    }

    /** A run that was too large for the device is asked for in another way. */
    @Test
    void aRunThatDidNothingIsNotInTheWayOfAnother() throws IOException {
        Path run = folder.resolve("run");
        RunFolder.open(run, Map.of("--seed", "1"), RunFolder.Resume.AUTO).close();
        Files.createFile(run.resolve("metrics.jsonl"));
        assertThatThrownBy(() -> RunFolder.open(run, Map.of("--seed", "2"), RunFolder.Resume.REQUIRED))
                .hasMessageContaining("another run (--seed was 1 and is 2)");
        try (RunFolder open = RunFolder.open(run, Map.of("--seed", "2"), RunFolder.Resume.NEVER)) {
            assertThat(open.isKnown()).isFalse();
        }
        assertThat(Files.readString(run.resolve("run.json"))).contains("\"2\"");
        Files.createDirectory(run.resolve("checkpoint-00000001"));
        assertThatThrownBy(() -> RunFolder.open(run, Map.of("--seed", "1"), RunFolder.Resume.AUTO))
                .hasMessageContaining("another run");
        assertThatThrownBy(() -> RunFolder.open(folder.resolve("none"), Map.of(), RunFolder.Resume.REQUIRED))
                .hasMessageContaining("no run");
        assertThat(folder.resolve("none")).doesNotExist();
    }

    /** Losses depend on it in their last digits only, and a GPU may be gone. */
    @Test
    void aRunMayGoOnOnAnotherDeviceWhichIsNoted() throws IOException {
        Path run = folder.resolve("run");
        Map<String, String> identity = Map.of("--seed", "1");
        try (RunFolder open = RunFolder.open(run, identity, RunFolder.Resume.AUTO)) {
            assertThat(open.computes("a GPU in bfloat16")).isEmpty();
        }
        Files.writeString(run.resolve("metrics.jsonl"), "{\"step\":1}\n");
        try (RunFolder open = RunFolder.open(run, identity, RunFolder.Resume.REQUIRED)) {
            assertThat(open.computes("a GPU in bfloat16")).isEmpty();
            assertThat(open.computes("a processor in single precision")).contains("a GPU in bfloat16");
        }
        try (RunFolder open = RunFolder.open(run, identity, RunFolder.Resume.REQUIRED)) {
            assertThat(open.computes("a processor in single precision")).isEmpty();
            assertThat(open.computed()).isEqualTo("a GPU in bfloat16, then a processor in single precision");
            assertThat(open.identity()).isEqualTo(identity);
        }
    }

    @Test
    void aTornLineOfTheMetricsIsCut() throws IOException {
        Path file = folder.resolve("metrics.jsonl");
        Files.writeString(file, "{\"step\":1,\"loss\":3}\n{\"step\":2,\"loss\":2}\n{\"step\":3,\"lo");
        try (MetricsLog log = MetricsLog.after(file, 9)) {
            log.add(new StepMetrics(3, 1, 1, 1, 1, 1, 1, List.of()).json());
        }
        assertThat(MetricsLog.lines(file).stream().map(line -> line.path("step").asInt()))
                .containsExactly(1, 2, 3);
        MetricsLog.after(file, 1).close();
        assertThat(Files.readString(file)).isEqualTo("{\"step\":1,\"loss\":3}\n");
    }
}
