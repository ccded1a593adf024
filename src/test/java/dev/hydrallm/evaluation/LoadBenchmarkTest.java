package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.ModelEngine;
import dev.hydrallm.engine.torch.TorchNatives;
import dev.hydrallm.model.LoadOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LoadBenchmarkTest {
    private static final Path DEMO = Path.of("models", "demo");

    @Test
    void everyTurnReadsVerifiesAndLoadsTheModel() throws IOException {
        TorchNatives.load();
        List<Integer> done = new ArrayList<>();
        LoadBenchmark benchmark = new LoadBenchmark(
                DEMO, LoadOptions.DEFAULT, FreeMemory.TOUCHED, pack -> ModelEngine.load(pack, EngineOptions.DEFAULT));
        for (LoadBenchmark.Cache cache : LoadBenchmark.Cache.values()) {
            LoadBenchmark.Line line = benchmark.run(cache, 2, done::add);
            assertThat(line.cache()).isEqualTo(cache);
            assertThat(line.plain().least()).isPositive();
            assertThat(line.loaded().least()).isGreaterThan(benchmark.bytes() / 1e9 / 100);
            assertThat(line.ofPlain().least()).isPositive();
            assertThat(line.peakMebibytes()).isGreaterThan(benchmark.bytes() / (double) (1 << 20));
        }
        assertThat(done).containsExactly(1, 2, 1, 2);
        assertThat(benchmark.bytes()).isEqualTo(Files.size(DEMO.resolve("weights.safetensors")));
    }

    @Test
    void everyPassBeginsWithAsMuchMemoryInTheSameState() throws IOException {
        List<Long> prepared = new ArrayList<>();
        LoadBenchmark benchmark = new LoadBenchmark(
                DEMO, LoadOptions.DEFAULT, prepared::add, pack -> ModelEngine.load(pack, EngineOptions.DEFAULT));
        benchmark.run(LoadBenchmark.Cache.COLD, 2, _ -> {});
        // A plain read, a verified one and a load; two turns and the one that does not count.
        assertThat(prepared).hasSize(3 * 3);
        assertThat(Set.copyOf(prepared)).hasSize(1);
        assertThat(prepared.getFirst()).isGreaterThan(2 * benchmark.bytes());
    }

    @Test
    void whatIsTouchedIsGivenBack() throws IOException {
        assumeTrue(Machine.freeMemory() > 512 << 20, "too little memory is free");
        ProcessMemory.forgetPeak();
        double before = ProcessMemory.peak();
        new FreeMemory.Touched(Duration.ZERO).prepare(300 << 20);
        assertThat(ProcessMemory.peak()).isGreaterThan(before + 250);
        assertThat(ProcessMemory.resident()).isLessThan(before + 100);
    }

    @Test
    void noMoreIsTouchedThanIsFree() {
        assertThat(FreeMemory.Touched.touchable(1000, 1 << 20)).isEqualTo(1000);
        assertThat(FreeMemory.Touched.touchable(1 << 30, 800)).isEqualTo(700);
        assertThat(Machine.freeMemory()).isPositive();
    }

    @Test
    void muchIsHeldForAWhileAndIdleMemoryLeftAlone() {
        assumeTrue(Machine.freeMemory() > 512 << 20, "too little memory is free");
        Duration pause = Duration.ofMillis(300);
        assertThat(millis(() -> new FreeMemory.Touched(pause).prepare(256 << 20)))
                .isGreaterThanOrEqualTo(300);
        assertThat(millis(() -> new FreeMemory.Touched(Duration.ofHours(1)).prepare(1 << 20)))
                .isLessThan(60_000);
        assertThat(millis(() -> new FreeMemory.Idle(pause).prepare(1 << 20))).isGreaterThanOrEqualTo(300);
    }

    private static long millis(Runnable work) {
        long begin = System.nanoTime();
        work.run();
        return (System.nanoTime() - begin) / 1_000_000;
    }

    @Test
    void aPeakIsOfWhatWasHeldSinceItWasForgotten() throws IOException {
        ProcessMemory.forgetPeak();
        double before = ProcessMemory.peak();
        assertThat(before).isCloseTo(ProcessMemory.resident(), within(64.0));
        try (Arena arena = Arena.ofConfined()) {
            arena.allocate(200 << 20).fill((byte) 1);
        }
        assertThat(ProcessMemory.peak()).isGreaterThan(before + 150);
        ProcessMemory.forgetPeak();
        assertThat(ProcessMemory.peak()).isLessThan(before + 150);
    }

    @Test
    void aFileThatIsNotThereIsNoBenchmark() {
        assertThatThrownBy(() -> new LoadBenchmark(
                        Path.of("nowhere"),
                        LoadOptions.DEFAULT,
                        FreeMemory.TOUCHED,
                        pack -> ModelEngine.load(pack, EngineOptions.DEFAULT)))
                .isInstanceOf(IOException.class);
        assertThatThrownBy(() -> PlainRead.read(Path.of("nowhere"), LoadOptions.DEFAULT))
                .isInstanceOf(IOException.class)
                .hasMessage("nowhere cannot be read");
    }
}
