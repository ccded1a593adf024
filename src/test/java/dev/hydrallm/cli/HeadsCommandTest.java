package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.model.DType;
import dev.hydrallm.testing.TinyCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a person sees who measures draft heads. */
class HeadsCommandTest {
    private static final Path HELD_OUT = Path.of("src/test/resources/dev/hydrallm/evaluation/held-out.py");

    @TempDir
    Path directory;

    private Path text = Path.of("");

    @BeforeEach
    void writeAText() throws IOException {
        text = directory.resolve("text.py");
        Files.writeString(text, String.join("\n", Files.readAllLines(HELD_OUT).subList(0, 30)));
    }

    private static CliRun heads(Object... arguments) {
        Object[] all = new Object[arguments.length + 1];
        all[0] = "heads";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return CliRun.of("eval", all);
    }

    @Test
    void accuracyIsPrintedAsJsonByHeadAndRank() throws IOException {
        CliRun run = heads("--text", text, text, "--format", "json", "--window", 64);
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("Reading [", "100 %");
        JsonNode result = new ObjectMapper().readTree(run.out());
        long tokens = result.path("tokens").asLong();
        assertThat(result.path("text")).hasSize(4);
        assertThat(result.path("base")).hasSize(3);
        for (String against : List.of("text", "base")) {
            for (JsonNode head : result.path(against)) {
                int number = head.path("head").asInt();
                // Each of the two texts has one place less for every head.
                assertThat(head.path("asked").asLong()).isEqualTo(tokens - 2L * number);
                double last = 0;
                for (int rank = 0; rank < head.path("top").size(); rank++) {
                    double top = head.path("top").get(rank).asDouble();
                    assertThat(top).isBetween(last, 1.0);
                    assertThat(head.path("interval").get(rank).path("low").asDouble())
                            .isLessThan(top);
                    last = top;
                }
                assertThat(last).isGreaterThan(0.2);
            }
        }
        assertThat(result.path("text").get(0).path("top")).hasSize(1);
        assertThat(result.path("text").get(1).path("top")).hasSize(10);
    }

    @Test
    void tablesShowWhatWasAskedFor() {
        assertThat(heads("--text", text, "--against", "base", "--ranks", 3).out())
                .contains("against the base's greedy choice", "top-3", "head 3", " ± ")
                .doesNotContain("against the text", "top-4");
        assertThat(heads("--text", text, "--against", "text", "--format", "markdown")
                        .out())
                .contains("against the text", "| base |", "| head 1 |", "top-10")
                .doesNotContain("greedy choice");
    }

    @Test
    void aTokenFileOfATextMeasuresTheSame() throws IOException {
        Path tokens = directory.resolve("tokens.bin");
        CliRun prepared =
                CliRun.of("data", "prepare", "--input", text, "--output", tokens, "--model", Path.of("models", "demo"));
        assertThat(prepared.exitCode()).as(prepared.err()).isZero();
        CliRun run = heads("--text", tokens, "--format", "json");
        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonNode ofTokens = new ObjectMapper().readTree(run.out());
        JsonNode ofText = new ObjectMapper()
                .readTree(heads("--text", text, "--format", "json").out());
        // The token file has the token that ends the text behind it.
        assertThat(ofTokens.path("tokens").asLong())
                .isEqualTo(ofText.path("tokens").asLong() + 1);
        for (String against : List.of("text", "base")) {
            for (int i = 0; i < ofText.path(against).size(); i++) {
                JsonNode expected = ofText.path(against).get(i).path("hits");
                JsonNode hits = ofTokens.path(against).get(i).path("hits");
                for (int rank = 0; rank < expected.size(); rank++) {
                    long least = expected.get(rank).asLong();
                    assertThat(hits.get(rank).asLong()).isBetween(least, least + 1);
                }
            }
        }

        byte[] bytes = Files.readAllBytes(tokens);
        bytes[130] ^= 1;
        Path damaged = Files.write(directory.resolve("damaged.bin"), bytes);
        assertRefused(heads("--text", damaged), "its bytes are not what was written");
        assertThat(CliRun.of("eval", "heads", "--help").err()).isEmpty();
    }

    @Test
    void whatCannotBeMeasuredIsRefusedInOneLine() throws IOException {
        assertRefused(heads("--text", text, "--ranks", 0), "--ranks must be at least 1, not 0");
        assertRefused(heads("--text", text, "--ranks", 5000), "5000 guesses of a head, and the vocabulary has 4096");
        assertRefused(heads("--text", Files.createFile(directory.resolve("empty"))), "is empty");
        assertRefused(heads("--text", text, "--window", 2000), "longer than the context of 1024");
        Path base = TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F32));
        Path tiny = directory.resolve("tiny");
        assertThat(CliRun.of("pack", "--model", base, "--output", tiny).exitCode())
                .isZero();
        assertRefused(heads("--model", tiny, "--text", text), "has no draft heads");
        assertRefused(CliRun.of("eval", "heads"), Cli.USAGE, "--text");
    }
}
