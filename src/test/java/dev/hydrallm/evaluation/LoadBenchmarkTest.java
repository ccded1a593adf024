package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.ModelEngine;
import dev.hydrallm.engine.torch.TorchNatives;
import dev.hydrallm.model.LoadOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LoadBenchmarkTest {
    private static final Path DEMO = Path.of("models", "demo");

    @Test
    void everyTurnReadsVerifiesAndLoadsTheModel() throws IOException {
        TorchNatives.load();
        List<Integer> done = new ArrayList<>();
        LoadBenchmark benchmark = new LoadBenchmark(
                DEMO,
                LoadOptions.DEFAULT,
                LoadBenchmark.FreeMemory.TOUCHED,
                pack -> ModelEngine.load(pack, EngineOptions.DEFAULT));
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
                        LoadBenchmark.FreeMemory.AS_IS,
                        pack -> ModelEngine.load(pack, EngineOptions.DEFAULT)))
                .isInstanceOf(IOException.class);
        assertThatThrownBy(() -> PlainRead.read(Path.of("nowhere"), LoadOptions.DEFAULT))
                .isInstanceOf(IOException.class)
                .hasMessage("nowhere cannot be read");
    }
}
