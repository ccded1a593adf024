package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.testing.Shared;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

/** {@code eval quality}, {@code eval mtbench} and {@code eval all}, on the demo model. */
class AnswerCommandsTest {
    private static final String DEMO = "models/demo";
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path directory;

    private Path set = Path.of("");
    private Path questions = Path.of("");

    @BeforeEach
    void writePrompts() throws IOException {
        set = Files.writeString(directory.resolve("sums.json"), """
                [{"prompt": "def add(a, b):\\n", "gt": "return a + b"},
                 {"prompt": "def sub(a, b):\\n", "gt": null},
                 {"prompt": "def mul(a, b):\\n", "gt": "return a * b"}]
                """);
        questions = Files.writeString(directory.resolve("questions.jsonl"), """
                {"question_id": 81, "category": "writing", "turns": ["def add(a, b):", "def sub(a, b):"]}
                {"question_id": 111, "category": "math", "turns": ["import os", "import sys"]}
                {"question_id": 121, "category": "coding", "turns": ["class A:", "class B:"]}
                """);
    }

    private static CliRun eval(Object... arguments) {
        return CliRun.of("eval", arguments);
    }

    private static JsonNode json(CliRun run) throws IOException {
        assertThat(run.exitCode()).as(run.err()).isZero();
        return JSON.readTree(run.out());
    }

    @Test
    void qualityScoresEachSetOfEachModel() throws IOException {
        JsonNode result = json(
                eval("quality", DEMO, DEMO, "--set", set, "--max-new-tokens", 12, "--threads", 1, "--format", "json"));
        assertThat(result.path("models")).hasSize(2);
        JsonNode first = result.path("models").path(0);
        assertThat(first.path("model").asText()).isEqualTo("pycoder-hydra int8");
        JsonNode sums = first.path("sets").path(0);
        assertThat(sums.path("set").asText()).isEqualTo("sums");
        assertThat(sums.path("without_reference").asInt()).isEqualTo(1);
        assertThat(sums.path("answers")).hasSize(2);
        assertThat(sums.path("check").path("same").asInt()).isEqualTo(2);
        assertThat(sums.path("check").path("different").asInt()).isZero();
        for (JsonNode answer : sums.path("answers")) {
            assertThat(answer.path("bleu2").isNumber()).isTrue();
            assertThat(answer.path("rouge_l").asDouble()).isBetween(0.0, 1.0);
            assertThat(answer.path("tokens").asInt()).isBetween(1, 12);
            assertThat(answer.path("steps").asInt()).isBetween(1, 12);
        }
        JsonNode second = result.path("models").path(1).path("sets").path(0);
        for (int i = 0; i < 2; i++) {
            assertThat(second.path("answers").path(i).path("answer"))
                    .isEqualTo(sums.path("answers").path(i).path("answer"));
        }
    }

    @Test
    void qualityIsPrintedAsATableAndSaysWhatItLeftOut() {
        CliRun run = eval("quality", "--set", set, "--max-new-tokens", 4, "--skip-check");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out())
                .contains("BLEU-2 %", "ROUGE-L %", "pycoder-hydra int8", "not checked")
                .contains("pycoder-hydra int8, sums: 1 prompts have no right answer and were left out");
        assertThat(run.err()).contains("Answering sums [");
        assertThat(eval("quality", "--set", set, "--max-new-tokens", 4, "--no-speculation")
                        .exitCode())
                .isEqualTo(Cli.USAGE);
    }

    @Test
    void mtBenchAnswersWhatIsNotAnsweredYet() throws IOException {
        Path output = directory.resolve("out/demo.jsonl");
        Object[] command = {
            "mtbench",
            "--questions",
            questions,
            "--output",
            output,
            "--max-new-tokens",
            6,
            "--num-choices",
            2,
            "--threads",
            1,
            "--format",
            "json"
        };
        List<Object> two = new ArrayList<>(List.of(command));
        two.addAll(List.of("--question-end", 2));
        JsonNode summary = json(eval(two.toArray()));
        assertThat(summary.path("categories").path(2).path("questions").asInt()).isEqualTo(2);
        List<String> before = Files.readAllLines(output);
        assertThat(before).hasSize(2);
        Files.writeString(output, String.join("\n", before) + "\n{\"question_id\": 121, \"ans");
        JsonNode whole = json(eval(command));
        List<String> lines = Files.readAllLines(output);
        assertThat(lines).hasSize(3);
        assertThat(lines.subList(0, 2)).isEqualTo(before);
        JsonNode answer = JSON.readTree(lines.get(2));
        assertThat(answer.path("question_id").asInt()).isEqualTo(121);
        assertThat(answer.path("model_id").asText()).isEqualTo("pycoder-hydra");
        assertThat(answer.path("choices")).hasSize(2);
        // At temperature 0 the seed of a choice changes nothing.
        assertThat(answer.path("choices").path(0).path("turns"))
                .isEqualTo(answer.path("choices").path(1).path("turns"));
        for (JsonNode choice : answer.path("choices")) {
            for (int turn = 0; turn < 2; turn++) {
                assertThat(choice.path("new_tokens").path(turn).asInt()).isBetween(1, 6);
                assertThat(choice.path("idxs").path(turn).asInt())
                        .isBetween(1, choice.path("new_tokens").path(turn).asInt());
                assertThat(choice.path("wall_time").path(turn).asDouble()).isPositive();
            }
        }
        JsonNode all = whole.path("categories").path(3);
        assertThat(all.path("category").asText()).isEqualTo("all");
        assertThat(all.path("turns").asInt()).isEqualTo(3 * 2 * 2);
        // A run without anything to do says the same again.
        CliRun again = eval(command);
        assertThat(json(again).path("categories")).isEqualTo(whole.path("categories"));
        assertThat(Files.readAllLines(output)).isEqualTo(lines);
        assertRefusedAfterProgress(
                eval("mtbench", "--questions", questions, "--output", output, "--model-id", "other"),
                "holds answers of pycoder-hydra, not of other");
        assertRefusedAfterProgress(
                eval(
                        "mtbench",
                        "--questions",
                        questions,
                        "--output",
                        output,
                        "--max-new-tokens",
                        7,
                        "--num-choices",
                        2),
                "given with --max-new-tokens 6 --num-choices 2");
    }

    private static void assertRefusedAfterProgress(CliRun run, String part) {
        assertThat(run.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(run.err().lines().filter(line -> line.startsWith("hydra: ")))
                .singleElement()
                .asString()
                .contains(part);
    }

    @Test
    void allIsOnePageWithEachModelOnceAndGapsWhereSomethingIsMissing() throws Exception {
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
        Path text = Files.writeString(directory.resolve("text.py"), "def add(a, b):\n    return a + b\n".repeat(4));
        Path report = directory.resolve("reports/out.html");
        CliRun run = eval(
                "all",
                DEMO,
                bare,
                DEMO,
                directory.resolve("nowhere"),
                "--text",
                text,
                "--set",
                set,
                "--max-new-tokens",
                6,
                "--tokens",
                8,
                "--repeats",
                2,
                "--report",
                report,
                "--format",
                "json");
        JsonNode result = json(run);
        assertThat(run.err()).contains("hydra: the page is " + report);
        List<String> names = new ArrayList<>();
        result.path("models").forEach(model -> names.add(model.path("name").asText()));
        assertThat(names)
                .hasSize(4)
                .doesNotHaveDuplicates()
                .contains("pycoder-hydra int8", "pycoder-hydra int8 (demo)");
        JsonNode demo = result.path("models").path(0);
        assertThat(demo.path("foresight")
                        .path("value")
                        .path("perplexity")
                        .path("tokens")
                        .asInt())
                .isPositive();
        assertThat(demo.path("fidelity").path("reason").asText()).isEqualTo("the others are compared with it");
        assertThat(demo.path("heads").path("value").path("of_base")).hasSize(3);
        assertThat(demo.path("speed").path("value")).hasSize(3);
        JsonNode compressed = demo.path("compression").path("value");
        assertThat(compressed.path("python").path("steps").asInt()).isPositive();
        assertThat(compressed.path("sums").path("texts").asInt()).isEqualTo(3);
        JsonNode same = result.path("models").path(2);
        assertThat(same.path("fidelity")
                        .path("value")
                        .path("divergence")
                        .path("maximum")
                        .asDouble())
                .isZero();
        JsonNode headless = result.path("models").path(1);
        assertThat(headless.path("heads").path("reason").asText()).isEqualTo("it has no draft heads");
        assertThat(headless.path("speed").path("value"))
                .as("plain decoding, and what the text foretells")
                .hasSize(2);
        assertThat(result.path("models").path(3).path("speed").path("reason").asText())
                .contains("nowhere");

        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        Element overview = (Element) factory.newDocumentBuilder()
                .parse(new InputSource(new StringReader(Files.readString(report))))
                .getElementsByTagName("table")
                .item(0);
        NodeList rows = overview.getElementsByTagName("tr");
        List<String> shown = new ArrayList<>();
        for (int i = 1; i < rows.getLength(); i++) {
            shown.add(
                    ((Element) rows.item(i)).getElementsByTagName("td").item(0).getTextContent());
        }
        assertThat(shown).isEqualTo(names);
        assertThat(report.getParent()).isDirectoryNotContaining(file -> !file.equals(report));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "quality --set SET --max-new-tokens 0       | --max-new-tokens must be at least 1",
                "quality --set nowhere.json                 | no such file or directory: nowhere.json",
                "quality --set QUESTIONS                    | is no JSON",
                "quality nowhere --set SET                  | nowhere is no directory",
                "mtbench --questions nowhere --output OUT   | no such file or directory: nowhere",
                "mtbench --questions SET --output OUT       | line 1 is no",
                "mtbench --questions QUESTIONS --output OUT --num-choices 0      | --num-choices must be at least 1",
                "mtbench --questions QUESTIONS --output OUT --question-begin 3   | there is no question from",
                "mtbench --questions QUESTIONS --output OUT --model nowhere      | nowhere is no directory",
                "all --repeats 0                            | --repeats must be at least 1",
                "all --text nowhere.txt                     | no such file or directory: nowhere.txt",
                "all --set nowhere.json                     | no such file or directory: nowhere.json",
                "all --report . --repeats 0                 | --repeats must be at least 1",
                "all --report src                           | src is a directory, not a file to write",
                "all --report pom.xml/out.html              | cannot be used: ",
                "all --set SET --set SET                    | there is another set named ",
                "all nowhere                                | no model could be measured: it cannot be opened: nowhere",
            })
    void whatCannotBeDoneIsRefusedInOneLine(String command, String message) {
        Path output = directory.resolve("out.jsonl");
        assertRefused(
                eval((Object[]) command.replace("SET", set.toString())
                        .replace("QUESTIONS", questions.toString())
                        .replace("OUT", output.toString())
                        .split(" ")),
                message);
        assertThat(output).doesNotExist();
    }
}
