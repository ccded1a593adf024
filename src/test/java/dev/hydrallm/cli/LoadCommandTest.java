package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code bench load}, and the options of reading that every command with a model has. */
class LoadCommandTest {
    private static final String DEMO = "models/demo";

    @TempDir
    Path directory;

    @Test
    void benchLoadComparesWithAPlainRead() throws IOException {
        CliRun run =
                CliRun.of("bench", "load", "--model", DEMO, "--repeats", 1, "--load-threads", 3, "--format", "json");
        assertThat(run.exitCode()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(json.path("bytes").longValue()).isEqualTo(Files.size(Path.of(DEMO, "weights.safetensors")));
        assertThat(json.path("threads").intValue()).isEqualTo(3);
        assertThat(json.path("lines")).hasSize(2).allSatisfy(line -> {
            assertThat(line.path("plain").path("mean").doubleValue()).isPositive();
            assertThat(line.path("verified").path("mean").doubleValue()).isPositive();
            assertThat(line.path("loaded").path("mean").doubleValue()).isPositive();
        });
        assertThat(json.path("idle_memory").isNull()).isTrue();
        assertThat(CliRun.of("bench", "load", "--model", DEMO, "--repeats", 1).out())
                .contains("memory used before, medians of 1 loads", "page cache", "verified GB/s", "warm", "cold");
        CliRun idle = CliRun.of("bench", "load", "--model", DEMO, "--repeats", 1, "--idle-memory", 0.1);
        assertThat(idle.out()).contains("memory idle for 0.1 s before");
    }

    @ParameterizedTest
    @ValueSource(strings = {"auto", "on", "off"})
    void everyWayOfReadingGivesTheSameText(String directIo) {
        Map<String, String> environment =
                Map.of("HYDRA_LOAD_DIRECT_IO", directIo, "HYDRA_LOAD_READ_SIZE", "65536", "HYDRA_LOAD_THREADS", "5");
        String usual = generate(Map.of());
        assertThat(generate(environment)).isEqualTo(usual).isNotEmpty();
    }

    private static String generate(Map<String, String> environment) {
        CliRun run = CliRun.with(
                environment, "generate", "--prompt", "def f(", "--max-tokens", 8, "--temperature", 0, "--model", DEMO);
        assertThat(run.exitCode()).isZero();
        return run.out();
    }

    @Test
    void whatIsOutOfRangeIsRefusedInOneLine() {
        assertRefused(CliRun.of("inspect", "--model", DEMO, "--load-threads", -1), "load threads must be within 1 and");
        assertRefused(
                CliRun.of("serve", "--model", DEMO, "--load-read-size", 5000),
                "a read must be a multiple of 4096 bytes, at most 4194304, not 5000");
        assertRefused(CliRun.of("bench", "load", "--model", DEMO, "--repeats", 0), "--repeats must be at least 1");
        for (Object seconds : new Object[] {-1, 601, "NaN"}) {
            assertRefused(
                    CliRun.of("bench", "load", "--model", DEMO, "--idle-memory", seconds),
                    "--idle-memory must be within 0 and 600 seconds");
        }
        assertRefused(CliRun.of("inspect", "--load-direct-io", "maybe"), Cli.USAGE, "--load-direct-io", "maybe");
    }

    @ParameterizedTest
    @ValueSource(strings = {"hydra.json", "tokenizer.json", "weights.safetensors"})
    void oneFlippedBitEndsEveryCommandWithTheFilesName(String damaged) throws IOException {
        try (Stream<Path> files = Files.list(Path.of(DEMO))) {
            for (Path file : files.toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
        }
        Path file = directory.resolve(damaged);
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length * 9 / 10] ^= 4;
        Files.write(file, bytes);
        assertRefused(CliRun.of("inspect", "--model", directory), file.toString());
        assertRefused(
                CliRun.of("generate", "--model", directory, "--prompt", "def f(", "--max-tokens", 4), file.toString());
        assertRefused(CliRun.of("bench", "load", "--model", directory), file.toString());
    }
}
