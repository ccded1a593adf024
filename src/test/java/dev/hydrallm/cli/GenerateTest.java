package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.testing.Shared;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code generate --json} and batch files, on the demo model. */
class GenerateTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String[] OPTIONS = {
        "--model", "models/demo", "--temperature", "0", "--max-tokens", "12", "--threads", "1"
    };

    @TempDir
    Path directory;

    @Test
    void oneAnswerIsOneLineOfJson() {
        CliRun run = generate("--prompt", "def add(a, b):", "--json");
        assertThat(run.exitCode()).isZero();
        assertThat(run.out().lines()).hasSize(1);
        JsonNode answer = json(run.out());
        assertThat(answer.properties().stream().map(java.util.Map.Entry::getKey))
                .containsExactly(
                        "prompt_ids", "output_ids", "accept_lengths", "text", "finish_reason", "timings", "stats");
        assertThat(answer.path("output_ids")).hasSize(12);
        assertThat(answer.path("finish_reason").asText()).isEqualTo("length");
        int tokens = 0;
        for (JsonNode accepted : answer.path("accept_lengths")) {
            tokens += accepted.intValue() + 1;
        }
        assertThat(tokens).isBetween(12, 15);
        assertThat(answer.path("stats").path("steps").intValue())
                .isEqualTo(answer.path("accept_lengths").size());
    }

    @Test
    void aBaseWithoutHeadsAnswersAsTheSameBaseWithThem() {
        Path bare = directory.resolve("bare");
        assertThat(CliRun.of(
                                "pack",
                                "--model",
                                Shared.models().resolve("pycoder"),
                                "--quantize",
                                "int8",
                                "--output",
                                bare)
                        .exitCode())
                .isZero();
        JsonNode expected =
                json(generate("--prompt", "def add(a, b):", "--json").out());
        for (String speculation : List.of("whole", "adaptive")) {
            CliRun run =
                    generate("--model", bare, "--prompt", "def add(a, b):", "--json", "--speculation", speculation);
            assertThat(json(run.out()).path("output_ids")).isEqualTo(expected.path("output_ids"));
        }
    }

    @Test
    void aSampledAnswerTellsItsSeed() {
        CliRun run = generate("--prompt", "x", "--json", "--temperature", "0.7", "--max-tokens", "2");
        assertThat(json(run.out()).path("seed").isIntegralNumber()).isTrue();
    }

    @Test
    void answersComeInOrderWithTheOptionsOfTheirLines() {
        List<JsonNode> answers = batch(
                0,
                "{\"prompt\": \"def add(a, b):\"}",
                "{\"prompt\": \"import os\", \"max_tokens\": 3}",
                "{\"prompt_ids\": [5, 1, 2, 4095], \"max_tokens\": 1}",
                "{\"prompt\": \"def add(a, b):\", \"no_speculation\": true}",
                "{\"prompt\": \"def add(a, b):\", \"tree\": \"mc_sim_7b_63\", \"raw\": true, \"seed\": null}",
                "{\"prompt\": \"x\", \"temperature\": 0.8, \"top_k\": 5, \"top_p\": 0.9, \"min_p\": 0.1, \"seed\": 42}",
                "{\"prompt\": \"x\", \"temperature\": 0.7, \"acceptance\": \"typical\", \"posterior_alpha\": 0.2}",
                "{\"prompt\": \"def add(a, b):\", \"stop\": \"\\n\"}",
                "{\"prompt\": \"def add(a, b):\", \"max_steps\": 1}");
        assertThat(answers.get(0).path("output_ids")).hasSize(12);
        assertThat(answers.get(1).path("output_ids")).hasSize(3);
        assertThat(answers.get(2).path("prompt_ids").toString()).isEqualTo("[5,1,2,4095]");
        assertThat(answers.get(3).path("output_ids")).isEqualTo(answers.get(0).path("output_ids"));
        assertThat(answers.get(3).path("accept_lengths").toString()).isEqualTo("[0,0,0,0,0,0,0,0,0,0,0,0]");
        assertThat(answers.get(4).path("output_ids")).isEqualTo(answers.get(0).path("output_ids"));
        assertThat(answers.get(5).path("seed").longValue()).isEqualTo(42);
        assertThat(answers.get(6).has("seed")).isFalse();
        assertThat(answers.get(7).path("finish_reason").asText()).isEqualTo("stop");
        assertThat(answers.get(7).path("text").asText()).doesNotContain("\n");
        assertThat(answers.get(8).path("accept_lengths")).hasSize(1);
    }

    @Test
    void everyBadLineGetsAnErrorAndTheOthersGoOn() {
        List<String> bad = List.of(
                "{\"prompt\": \"x\"",
                "Unexpected end-of-input",
                "7",
                "must be a JSON object",
                "{}",
                "exactly one of prompt and prompt_ids",
                "{\"prompt\": \"x\", \"prompt_ids\": [1]}",
                "exactly one of prompt and prompt_ids",
                "{\"prompt\": 5}",
                "prompt must be a string",
                "{\"prompt_ids\": 5}",
                "prompt_ids must be a list of whole numbers",
                "{\"prompt_ids\": [1.5]}",
                "prompt_ids",
                "{\"prompt_ids\": [\"1\"]}",
                "prompt_ids",
                "{\"prompt_ids\": [null]}",
                "prompt_ids",
                "{\"prompt_ids\": []}",
                "prompt",
                "{\"prompt_ids\": [-1]}",
                "-1",
                "{\"prompt_ids\": [4096]}",
                "4096",
                "{\"prompt_ids\": [99999999999]}",
                "out of range",
                "{\"prompt\": \"x\", \"tempreature\": 1}",
                "unknown option tempreature",
                "{\"prompt\": \"x\", \"maxTokens\": 1}",
                "unknown option maxTokens",
                "{\"prompt\": \"x\", \"seed\": 1, \"seed\": 2}",
                "Duplicate field 'seed'",
                "{\"prompt\": \"x\", \"max_tokens\": -1}",
                "max_tokens must be at least 1, not -1",
                "{\"prompt\": \"x\", \"max_tokens\": 0}",
                "max_tokens must be at least 1, not 0",
                "{\"prompt\": \"x\", \"max_tokens\": 1e99}",
                "max_tokens",
                "{\"prompt\": \"x\", \"max_tokens\": 99999999999}",
                "out of range",
                "{\"prompt\": \"x\", \"max_steps\": -5}",
                "max_steps must be at least 1, not -5",
                "{\"prompt\": \"x\", \"temperature\": -0.1}",
                "temperature",
                "{\"prompt\": \"x\", \"temperature\": 1e999}",
                "temperature",
                "{\"prompt\": \"x\", \"temperature\": \"hot\"}",
                "temperature is of the wrong type",
                "{\"prompt\": \"x\", \"temperature\": 1, \"top_k\": 2.7}",
                "top_k",
                "{\"prompt\": \"x\", \"temperature\": 1, \"top_k\": -1}",
                "top_k must be 0 (all) or more",
                "{\"prompt\": \"x\", \"temperature\": 1, \"top_p\": 7}",
                "top_p must be above 0",
                "{\"prompt\": \"x\", \"temperature\": 1, \"min_p\": -7}",
                "min_p must be at least 0",
                "{\"prompt\": \"x\", \"acceptance\": \"always\"}",
                "acceptance cannot be always",
                "{\"prompt\": \"x\", \"acceptance\": 0}",
                "acceptance cannot be 0",
                "{\"prompt\": \"x\", \"stop\": [null]}",
                "stop",
                "{\"prompt\": \"x\", \"stop\": {\"a\": 1}}",
                "stop",
                "{\"prompt\": \"x\", \"tree\": [[0]]}",
                "tree must be a name or a file",
                "{\"prompt\": \"x\", \"tree\": \"no-such-tree\"}",
                "no-such-tree",
                "{\"prompt\": \"x\", \"raw\": 1}",
                "raw must be true or false",
                "{\"prompt\": \"%s\"}".formatted("word ".repeat(2_000)),
                "context");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < bad.size(); i += 2) {
            lines.add(bad.get(i));
        }
        lines.add("{\"prompt\": \"def add(a, b):\"}");
        List<JsonNode> answers = batch(Cli.FAILED, lines.toArray(String[]::new));
        for (int i = 0; i < bad.size(); i += 2) {
            JsonNode error = answers.get(i / 2).path("error");
            assertThat(error.path("message").asText())
                    .as(bad.get(i))
                    .contains(bad.get(i + 1))
                    .doesNotContain("dev.hydrallm", "java.");
            assertThat(error.path("line").intValue()).isEqualTo(i / 2 + 1);
        }
        assertThat(answers.getLast().path("output_ids")).hasSize(12);
    }

    @Test
    void aLineThatIsNotUtf8GetsAnErrorWithItsNumberInTheFile() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes("\n  \n{\"prompt\": \"".getBytes(StandardCharsets.UTF_8));
        bytes.write(0xff);
        bytes.writeBytes("\"}\r\n\n{\"prompt\": \"é 語\"}".getBytes(StandardCharsets.UTF_8));
        Path input = Files.write(directory.resolve("in.jsonl"), bytes.toByteArray());
        CliRun run = generate("--batch-file", input);
        assertThat(run.exitCode()).isEqualTo(Cli.FAILED);
        List<JsonNode> answers = run.out().lines().map(GenerateTest::json).toList();
        assertThat(answers).hasSize(2);
        assertThat(answers.getFirst().path("error").toString())
                .isEqualTo("{\"line\":3,\"message\":\"the line is not valid UTF-8\"}");
        assertThat(answers.getLast().path("output_ids")).hasSize(12);
    }

    @Test
    void promptsThatCannotBeUsedAreRefusedInOneLine() {
        Path broken = directory.resolve("broken");
        try {
            Files.write(broken, new byte[] {'a', (byte) 0xc3});
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        assertRefused(generate("--prompt-file", broken), Cli.FAILED, "broken is not valid UTF-8");
        assertRefused(generate("--prompt-file", directory.resolve("absent")), Cli.FAILED, "no such file");
        assertRefused(generate("--batch-file", directory.resolve("absent")), Cli.FAILED, "no such file");
        assertRefused(generate("--prompt", "word ".repeat(2_000)), Cli.FAILED, "context");
        assertRefused(generate("--prompt", "x", "--max-tokens", "-1"), Cli.FAILED, "max_tokens must be at least 1");
        assertRefused(generate("--prompt", "x", "--temperature", "-1"), Cli.FAILED, "temperature");
        assertRefused(generate("--prompt", "x", "--max-tokens", "99999999999"), Cli.USAGE, "--max-tokens");
        assertRefused(generate(), Cli.USAGE, "--prompt");
        assertRefused(generate("--prompt", "x", "--prompt-file", broken), Cli.USAGE, "--prompt");
    }

    private List<JsonNode> batch(int exitCode, String... lines) {
        Path input = directory.resolve("in.jsonl");
        Path output = directory.resolve("out.jsonl");
        try {
            Files.write(input, List.of(lines));
            CliRun run = generate("--batch-file", input, "--output", output);
            assertThat(run.err()).doesNotContain("hydra:");
            assertThat(run.exitCode()).isEqualTo(exitCode);
            assertThat(run.out()).isEmpty();
            List<JsonNode> answers =
                    Files.readAllLines(output).stream().map(GenerateTest::json).toList();
            assertThat(answers).hasSameSizeAs(lines);
            return answers;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The options of these tests, and then the test's own, which win. */
    @Test
    void optionsOutOfBoundsOrThatDoNotGoTogetherAreRefused() {
        assertRefused(generate("--prompt", "x", "--temperature", "0", "--top-p", "7"), Cli.FAILED, "top_p");
        assertRefused(generate("--prompt", "x", "--temperature", "0", "--top-k", "-3"), Cli.FAILED, "top_k");
        assertRefused(generate("--prompt", "x", "--temperature", "-1"), Cli.FAILED, "temperature");
        assertRefused(
                generate("--prompt", "x", "--temperature", "0.7", "--acceptance", "typical", "--seed", "3"),
                Cli.FAILED,
                "seed");
        assertRefused(generate("--prompt", "x", "--output", "y.jsonl"), Cli.FAILED, "--batch-file");
    }

    @Test
    void theAnswersOfTheRunBeforeOutliveAModelThatCannotBeLoaded(@TempDir Path folder) throws IOException {
        Path input = Files.writeString(folder.resolve("in.jsonl"), "{\"prompt\": \"x\"}\n");
        Path output = Files.writeString(folder.resolve("out.jsonl"), "precious");
        assertRefused(
                generate("--batch-file", input, "--output", output, "--model", folder.resolve("none")),
                Cli.FAILED,
                "none");
        assertThat(output).hasContent("precious");
        assertRefused(generate("--batch-file", input, "--output", input), Cli.FAILED, "overwrite");
        assertThat(input).hasContent("{\"prompt\": \"x\"}");
    }

    private static CliRun generate(Object... arguments) {
        List<Object> own = List.of(arguments);
        List<Object> all = new ArrayList<>(own);
        for (int i = 0; i < OPTIONS.length; i += 2) {
            if (!own.contains(OPTIONS[i])) {
                all.addAll(List.of(OPTIONS[i], OPTIONS[i + 1]));
            }
        }
        return CliRun.of("generate", all.toArray());
    }

    private static JsonNode json(String line) {
        try {
            return JSON.readTree(line);
        } catch (IOException e) {
            throw new UncheckedIOException(line, e);
        }
    }
}
