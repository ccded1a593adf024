package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code eval compression} where there is nothing to measure, or more than heads give. */
class CompressionCommandTest {
    @TempDir
    Path folder;

    private CliRun compression(Path... prompts) {
        Object[] words = new Object[5 + 2 * prompts.length];
        System.arraycopy(new Object[] {"compression", "--max-tokens", 4, "--threads", 1}, 0, words, 0, 5);
        for (int i = 0; i < prompts.length; i++) {
            words[5 + 2 * i] = "--prompts";
            words[6 + 2 * i] = prompts[i];
        }
        return CliRun.of("eval", words);
    }

    @Test
    void promptsThatLeaveNoRoomAreNoFigure() throws IOException {
        Path tooLong = Files.writeString(folder.resolve("long.txt"), "x = 1\n".repeat(1000));
        Path fits = Files.writeString(folder.resolve("fits.txt"), "def add(a, b):\n");

        CliRun nothing = compression(tooLong);
        assertThat(nothing.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(nothing.out()).isEmpty();
        assertThat(nothing.err())
                .contains("nothing was measured: no prompt leaves room for an answer in the context of 1024 tokens");

        CliRun some = compression(tooLong, fits);
        assertThat(some.exitCode()).as(some.err()).isZero();
        assertThat(some.out())
                .containsPattern("long +0.0 +0 +0 +0 *\\R")
                .containsPattern("fits +0.0 +1 +4 ")
                .contains("long: 1 turn(s) left no room in the context of 1024 tokens");
    }

    @Test
    void aTextThatGoesRoundIsAcceptedDeeperThanTheHeadsReach() throws IOException {
        Path round = Files.writeString(folder.resolve("round.txt"), "x = 1\n".repeat(60));
        CliRun run = CliRun.of(
                "eval",
                "compression",
                "--prompts",
                round,
                "--max-tokens",
                200,
                "--speculation",
                "adaptive",
                "--format",
                "json");
        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonNode set = new JsonMapper().readTree(run.out()).path("sets").path(0);
        assertThat(set.path("accepted").size()).as(run.out()).isGreaterThan(4);
        assertThat(set.path("tokens_per_step").asDouble()).isGreaterThan(2);
    }
}
