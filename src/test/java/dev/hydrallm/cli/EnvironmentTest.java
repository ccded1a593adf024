package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.TinyCheckpoint;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EnvironmentTest {
    private static final String DEMO = "models/demo";

    @TempDir
    Path directory;

    @Test
    void anOptionIsTakenFromTheEnvironment() {
        CliRun run = CliRun.with(Map.of("HYDRA_MODEL", DEMO, "HYDRA_JSON", "true"), "inspect");
        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).startsWith("{\"format_version\":2");
    }

    private static void assertRefused(CliRun run, String part) {
        assertThat(run.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(run.err().lines()).singleElement().asString().contains(part);
    }

    @Test
    void theCommandLineWins() {
        CliRun run = CliRun.with(Map.of("HYDRA_MODEL", "nowhere"), "inspect", "--model", DEMO);
        assertThat(run.exitCode()).isZero();
    }

    @Test
    void anEmptyVariableIsNoValue() {
        assertThat(CliRun.with(Map.of("HYDRA_TREE", ""), "inspect", "--model", DEMO)
                        .exitCode())
                .isZero();
    }

    @Test
    void requiredOptionsMayComeFromTheEnvironment() {
        Path base = TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F32));
        Path packed = directory.resolve("packed");
        Map<String, String> environment =
                Map.of("HYDRA_MODEL", base.toString(), "HYDRA_OUTPUT", packed.toString(), "HYDRA_QUANTIZE", "int8");
        assertThat(CliRun.with(environment, "pack", "--name", "from-env").exitCode())
                .isZero();
        try (PackedModel pack = PackedModel.open(packed)) {
            assertThat(pack.manifest().name()).isEqualTo("from-env");
        }
    }

    @Test
    void aWrongValueIsRefusedByTheOptionsName() {
        CliRun run = CliRun.with(Map.of("HYDRA_THREADS", "many"), "inspect", "--model", DEMO);
        assertThat(run.exitCode()).isEqualTo(Cli.USAGE);
        assertThat(run.err().lines()).singleElement().asString().contains("--threads", "many");
    }

    @Test
    void debugMayComeFromTheEnvironment() {
        CliRun run = CliRun.with(Map.of("HYDRA_DEBUG", "true"), "inspect", "--model", "nowhere");
        assertThat(run.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(run.err()).contains("\tat dev.hydrallm.cli");
    }

    @Test
    void thePromptMayComeFromTheEnvironment() {
        Map<String, String> environment = Map.of(
                "HYDRA_PROMPT", "def f(", "HYDRA_MAX_TOKENS", "4", "HYDRA_TEMPERATURE", "0", "HYDRA_MODEL", DEMO);
        CliRun run = CliRun.with(environment, "generate", "--json");
        assertThat(run.err()).doesNotContain("hydra:");
        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).contains("\"output_ids\":[");
        assertRefused(CliRun.with(environment, "generate", "--prompt-file", "nowhere"), "nowhere");
    }
}
