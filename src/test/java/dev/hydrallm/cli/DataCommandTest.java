package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.testing.FakeOpenAi;
import dev.hydrallm.testing.FakeOpenAi.Fault;
import dev.hydrallm.training.Sample;
import dev.hydrallm.training.data.TokenFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a person sees who makes data with {@code hydra data}. */
class DataCommandTest {
    private static final Path HELD_OUT = Path.of("src/test/resources/dev/hydrallm/evaluation/held-out.py");
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    private Path conversations(int count) throws IOException {
        return Files.writeString(
                folder.resolve("conversations.jsonl"),
                IntStream.range(0, count)
                        .mapToObj(i -> "{\"conversations\":[{\"from\":\"human\",\"value\":\"Q" + i
                                + "\"},{\"from\":\"gpt\",\"value\":\"old\"},{\"from\":\"human\",\"value\":\"R" + i
                                + "\"},{\"from\":\"gpt\",\"value\":\"old\"}]}\n")
                        .collect(Collectors.joining()));
    }

    private static List<JsonNode> lines(Path file) throws IOException {
        return Files.readAllLines(file).stream()
                .map(line -> {
                    try {
                        return JSON.readTree(line);
                    } catch (IOException e) {
                        throw new AssertionError(line, e);
                    }
                })
                .toList();
    }

    @Test
    void conversationsArePreparedAndShown() throws IOException {
        Path output = folder.resolve("tokens.bin");
        CliRun run = CliRun.of(
                "data",
                "prepare",
                "--input",
                conversations(40),
                "--chat-template",
                "vicuna_v1.1",
                "--output",
                output,
                "--eval-share",
                "0.2",
                "--format",
                "json");
        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonNode report = JSON.readTree(run.out());
        assertThat(report.path("read").asInt()).isEqualTo(40);
        assertThat(report.path("kept").asInt()).isEqualTo(40);
        assertThat(JSON.readTree(Files.readString(Path.of(output + ".json")))).isEqualTo(report);
        try (TokenFile train = TokenFile.open(output);
                TokenFile eval = TokenFile.open(folder.resolve("tokens.eval.bin"))) {
            assertThat(train.count() + eval.count()).isEqualTo(40);
            assertThat(report.path("train").path("tokens").asLong()).isEqualTo(train.tokens());
            assertThat(report.path("eval").path("samples").asInt()).isEqualTo(eval.count());
        }
        assertThat(CliRun.of("data", "inspect", output).out()).contains("samples", "fingerprint");
        CliRun shown = CliRun.of("data", "inspect", output, "--sample", 0);
        assertThat(shown.out()).contains(" ASSISTANT:⟦ old</s>⟧USER: R");
        assertThat(shown.err()).contains("of them learnt]");
        assertRefused(CliRun.of("data", "inspect", output, "--sample", 40), "samples, none of number 40");
        assertRefused(CliRun.of("data", "inspect", HELD_OUT), "is no token file");
    }

    @Test
    void textsArePreparedAndTheReportIsATable() {
        CliRun run = CliRun.of(
                "data", "prepare", "--input", HELD_OUT, "--output", folder.resolve("t.bin"), "--model-max-length", 256);
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("read", "kept", "100.0", "256");
        try (TokenFile file = TokenFile.open(folder.resolve("t.bin"))) {
            assertThat(file.length(0)).isEqualTo(256);
            assertThat(file.labelled()).isEqualTo(file.tokens());
        }
    }

    @Test
    void wrongOptionsAreRefusedInOneLine() throws IOException {
        Path output = folder.resolve("t.bin");
        assertRefused(
                CliRun.of("data", "prepare", "--input", HELD_OUT, "--output", output, "--model-max-length", 1025),
                "longer than the context of 1024");
        assertRefused(
                CliRun.of("data", "prepare", "--input", HELD_OUT, "--output", output, "--eval-share", "1"), "not 1.0");
        assertRefused(CliRun.of("data", "prepare", "--input", folder.resolve("none"), "--output", output), "none");
        Path broken = Files.writeString(folder.resolve("x.json"), "oops");
        CliRun none = CliRun.of("data", "prepare", "--input", broken, "--output", output);
        assertThat(none.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(none.err()).contains("hydra: " + broken + ": no JSON at byte 0");
        assertThat(output).doesNotExist();
    }

    @Test
    void whatIsReadIsNotWrittenOver() throws IOException {
        Path input = conversations(2);
        String before = Files.readString(input);
        assertRefused(
                CliRun.of("data", "prepare", "--input", input, "--output", input),
                "is read, and would be written over");
        Path json = Files.writeString(
                folder.resolve("chats.json"), "[" + before.lines().findFirst().orElseThrow() + "]");
        assertRefused(
                CliRun.of("data", "prepare", "--input", json, "--output", folder.resolve("chats")),
                "chats.json is read, and would be written over");
        assertRefused(
                CliRun.of("data", "distill", "--input", input, "--output", input),
                "is read, and would be written over");
        assertThat(input).hasContent(before);
    }

    @Test
    void whatATextSaysDoesNotCommandTheTerminal() throws IOException {
        Path input = Files.writeString(folder.resolve("a.txt"), "one \u001b[31m two \u009b31m three");
        Path output = folder.resolve("t.bin");
        assertThat(CliRun.of("data", "prepare", "--input", input, "--output", output)
                        .exitCode())
                .isZero();
        assertThat(CliRun.of("data", "inspect", output, "--sample", 0).out())
                .contains("one \uFFFD[31m two \uFFFD31m three")
                .doesNotContain("\u001b", "\u009b");
    }

    /** Only a torn answer may be cut off: a file of one line without an end looks like one. */
    @Test
    void aFileThatIsNoFileOfAnswersStaysAsItIs() throws IOException {
        try (FakeOpenAi server = new FakeOpenAi()) {
            for (String content : List.of(
                    "[{\"id\":\"a\",\"conversations\":[]}]",
                    "{\"id\":\"a\",\"conversations\":[]}",
                    "{\"id\":\"a\",\"model\":\"other\",\"messages\":[]}",
                    "years of work")) {
                Path output = Files.writeString(folder.resolve("precious.json"), content);
                CliRun run = distill(server, conversations(2), output);
                assertThat(run.exitCode()).as(content).isEqualTo(Cli.FAILED);
                assertThat(run.err()).contains("precious.json:1: ");
                assertThat(output).hasContent(content);
            }
        }
    }

    @Test
    void aServerThatIsBusyOrDropsIsAskedAgain() throws IOException {
        Path output = folder.resolve("answers.jsonl");
        try (FakeOpenAi server = new FakeOpenAi()) {
            server.next(Fault.busy(), Fault.drop(), Fault.status(503, ""), Fault.status(200, "no json"));
            CliRun run = CliRun.with(
                    Map.of("OPENAI_API_KEY", "secret"),
                    "data",
                    "distill",
                    "--endpoint",
                    server.url(),
                    "--input",
                    conversations(12),
                    "--output",
                    output,
                    "--chat-template",
                    "vicuna_v1.1",
                    "--parallel",
                    "4",
                    "--temperature",
                    "0.3");
            assertThat(run.exitCode()).as(run.err()).isZero();
            assertThat(run.err()).contains("trying again", "12 answered").doesNotContain("secret");
            assertThat(server.keys()).allMatch("Bearer secret"::equals);
            assertThat(server.most()).isBetween(2, 4);
            assertThat(server.bodies())
                    .allSatisfy(body ->
                            assertThat(body.path("temperature").asDouble()).isEqualTo(0.3));
        }
        assertThat(lines(output)).hasSize(12).allSatisfy(line -> {
            JsonNode messages = line.path("messages");
            assertThat(messages).hasSize(4);
            assertThat(messages.toString()).doesNotContain("old");
            // The blank that the template writes itself is not part of the answer.
            assertThat(messages.path(1).path("content").asText())
                    .isEqualTo("re: " + messages.path(0).path("content").asText());
            assertThat(messages.path(3).path("content").asText())
                    .isEqualTo("re: " + messages.path(2).path("content").asText());
            assertThat(line.path("model").asText()).isEqualTo("fake");
        });
        CliRun prepared = CliRun.of(
                "data",
                "prepare",
                "--chat-template",
                "vicuna_v1.1",
                "--input",
                output,
                "--output",
                folder.resolve("t.bin"));
        assertThat(prepared.exitCode()).as(prepared.err()).isZero();
        assertThat(CliRun.of("data", "inspect", folder.resolve("t.bin"), "--sample", 0)
                        .out())
                .contains("ASSISTANT:⟦ re: Q");
    }

    @Test
    void aRunGoesOnWhereTheLastOneWasEnded() throws IOException {
        Path output = folder.resolve("answers.jsonl");
        Path input = conversations(9);
        try (FakeOpenAi server = new FakeOpenAi()) {
            assertThat(distill(server, input, output, "--limit", "5").exitCode())
                    .isZero();
            List<String> first = Files.readAllLines(output);
            assertThat(first).hasSize(5);
            // Torn in the middle of a line.
            Files.writeString(output, "{\"id\":\"5-abc", StandardOpenOption.APPEND);
            int asked = server.bodies().size();
            CliRun second = distill(server, input, output);
            assertThat(second.exitCode()).as(second.err()).isZero();
            assertThat(second.err()).contains("4 answered", "5 were there already");
            assertThat(server.bodies()).hasSize(asked + 8);
            assertThat(Files.readAllLines(output)).hasSize(9).startsWith(first.toArray(String[]::new));
            assertThat(lines(output))
                    .extracting(line -> line.path("id").asText())
                    .doesNotHaveDuplicates();
            assertRefused(
                    distill(server, input, output, "--endpoint-model", "other"),
                    "the answers are of fake, not of other");
            assertRefused(
                    distill(server, input, output, "--temperature", "0.2", "--max-tokens", "9"),
                    "with other options (--max-tokens was not given and is 9; --temperature was 0.7 and is 0.2)");
            Files.writeString(output, "hello\n");
            assertThat(distill(server, input, output).err()).contains("answers.jsonl:1: no JSON");
        }
    }

    private static CliRun distill(FakeOpenAi server, Path input, Path output, String... more) {
        String[] common = {
            "distill", "--endpoint", server.url() + "/v1/", "--input", input.toString(), "--output", output.toString()
        };
        return CliRun.of("data", (Object[])
                Stream.of(common, more).flatMap(Arrays::stream).toArray(String[]::new));
    }

    @Test
    void whatAServerRefusesIsLeftOutAndAWrongKeyEndsAll() throws IOException {
        Path output = folder.resolve("answers.jsonl");
        try (FakeOpenAi server = new FakeOpenAi()) {
            server.next(Fault.status(400, "{\"error\":{\"message\":\"too long\"}}"));
            CliRun run = distill(server, conversations(3), output, "--parallel", "1");
            assertThat(run.exitCode()).isZero();
            assertThat(run.err()).contains("document 0 is left out", "too long", "2 answered", "1 refused");
            Files.delete(output);
            server.next(Fault.status(401, "{\"error\":{\"message\":\"who are you\"}}"));
            CliRun wrong = distill(server, conversations(3), output, "--parallel", "1");
            assertThat(wrong.exitCode()).isEqualTo(1);
            assertThat(wrong.err()).contains("401: who are you", "--api-key-env");
            assertThat(lines(output).size()).isLessThan(3);
        }
        assertThat(CliRun.of("data", "distill", "--endpoint", "nonsense", "--input", HELD_OUT)
                        .err())
                .contains("--endpoint takes a URL");
    }

    @Test
    void theDemoModelGoesOnWithTextsAndExactlyThatIsLearnt() throws IOException {
        Path texts = Files.createDirectory(folder.resolve("texts"));
        for (int i = 0; i < 3; i++) {
            Files.writeString(texts.resolve(i + ".py"), "import os\n\n\ndef part_" + i + "(path):\n    return 1\n");
        }
        Path output = folder.resolve("completions.jsonl");
        CliRun run = CliRun.of(
                "data",
                "distill",
                "--input",
                texts,
                "--output",
                output,
                "--continue-text",
                "--prompt-tokens",
                8,
                "--max-tokens",
                12,
                "--temperature",
                0,
                "--parallel",
                2);
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.err()).contains("3 answered");
        List<JsonNode> lines = lines(output);
        assertThat(lines).hasSize(3);
        Path tokens = folder.resolve("t.bin");
        assertThat(CliRun.of("data", "prepare", "--input", output, "--output", tokens)
                        .exitCode())
                .isZero();
        try (TokenFile file = TokenFile.open(tokens)) {
            for (int i = 0; i < 3; i++) {
                Sample sample = file.get(i);
                int[] prompt = JSON.treeToValue(lines.get(i).path("prompt_ids"), int[].class);
                int[] completion = JSON.treeToValue(lines.get(i).path("completion_ids"), int[].class);
                assertThat(prompt).hasSize(8);
                assertThat(sample.tokens())
                        .isEqualTo(IntStream.concat(IntStream.of(prompt), IntStream.of(completion))
                                .toArray());
                for (int k = 0; k < sample.tokens().length; k++) {
                    assertThat(sample.labelled()[k]).isEqualTo(k >= 8);
                }
            }
        }
    }

    @Test
    void helpTeachesByExamples() {
        assertThat(CliRun.of("data", "--help").out()).contains("prepare", "inspect", "distill");
        for (String command : List.of("prepare", "inspect", "distill")) {
            assertThat(CliRun.of("data", command, "--help").out()).contains("Example:  hydra data " + command);
        }
    }
}
