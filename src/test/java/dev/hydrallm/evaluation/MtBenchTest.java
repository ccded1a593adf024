package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.evaluation.Answerer.Drafting;
import dev.hydrallm.testing.Shared;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MtBenchTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<MtBenchQuestion> QUESTIONS = List.of(
            new MtBenchQuestion(7, "writing", List.of("Compose.", "Rewrite.")),
            new MtBenchQuestion(9, "math", List.of("Add.", "Subtract.")),
            new MtBenchQuestion(8, "writing", List.of("Draft.", "Judge.")));

    @TempDir
    Path directory;

    private Path file() {
        return directory.resolve("answers/model.jsonl");
    }

    private static AcceptanceRule rule(double temperature, int choice) {
        return temperature == 0
                ? new AcceptanceRule.Greedy()
                : new AcceptanceRule.Sampled(temperature, 0, 1, 0, choice);
    }

    private static MtBench bench(Answerer model, int choices) {
        return new MtBench(model, "m", MtBenchTest::rule, choices, 100, Drafting.USUAL);
    }

    private static FakeAnswerer echo() {
        return new FakeAnswerer(1000, (conversation, drafting) -> " (" + conversation.replace('\n', '|') + ") ");
    }

    private List<Integer> run(Answerer model) throws IOException {
        List<Integer> done = new ArrayList<>();
        try (MtBenchAnswers answers = MtBenchAnswers.open(file(), "m", Map.of())) {
            bench(model, 1).run(QUESTIONS, answers, done::add);
        }
        return done;
    }

    @Test
    void aLineHasTheFieldsOfFastChatAndMedusa() throws IOException {
        FakeAnswerer model = echo();
        try (MtBenchAnswers answers = MtBenchAnswers.open(file(), "m", Map.of())) {
            bench(model, 2).run(QUESTIONS.subList(0, 1), answers, done -> {});
        }
        JsonNode line = JSON.readTree(Files.readString(file()));
        assertThat(line.properties().stream().map(Map.Entry::getKey))
                .containsExactly("question_id", "answer_id", "model_id", "choices", "tstamp");
        assertThat(line.path("question_id").intValue()).isEqualTo(7);
        assertThat(line.path("model_id").textValue()).isEqualTo("m");
        assertThat(line.path("answer_id").textValue()).hasSize(22);
        assertThat(line.path("tstamp").doubleValue()).isCloseTo(System.currentTimeMillis() / 1e3, within(60.0));
        assertThat(line.path("choices")).hasSize(2);
        JsonNode choice = line.path("choices").path(1);
        assertThat(choice.properties().stream().map(Map.Entry::getKey))
                .containsExactly("index", "turns", "idxs", "new_tokens", "wall_time");
        assertThat(choice.path("index").intValue()).isEqualTo(1);
        // The second turn is asked behind the first and its answer, which is stripped.
        assertThat(choice.path("turns"))
                .isEqualTo(JSON.readTree("[\"(Compose.)\",\"(Compose.|(Compose.)|Rewrite.)\"]"));
        assertThat(choice.path("new_tokens")).isEqualTo(JSON.readTree("[12,32]"));
        assertThat(choice.path("idxs")).isEqualTo(JSON.readTree("[6,16]"));
        assertThat(choice.path("wall_time")).isEqualTo(JSON.readTree("[0.25,0.25]"));
        // Each choice is seeded with its number and sampled at the category's temperature.
        assertThat(model.asked().stream().map(Answerer.Question::rule).distinct())
                .containsExactly(rule(0.7, 0), rule(0.7, 1));
    }

    @Test
    void temperaturesAreThoseOfFastChat() throws IOException {
        List<MtBenchQuestion> all = MtBenchQuestion.read(Shared.benchmark().resolve("mt_bench_question.jsonl"));
        assertThat(all).hasSize(80).allMatch(question -> question.turns().size() == 2);
        assertThat(all.stream()
                        .collect(Collectors.toMap(
                                MtBenchQuestion::category, MtBenchQuestion::temperature, (left, right) -> left)))
                .isEqualTo(Map.of(
                        "writing", 0.7,
                        "roleplay", 0.7,
                        "extraction", 0.0,
                        "math", 0.0,
                        "coding", 0.0,
                        "reasoning", 0.0,
                        "stem", 0.1,
                        "humanities", 0.1));
        assertThat(new MtBenchQuestion(1, "mine", List.of("?")).temperature()).isEqualTo(0.7);
    }

    @Test
    void aRunThatWasBrokenOffGoesOnBehindTheLastWholeLine() throws IOException {
        run(echo());
        String whole = Files.readString(file());
        List<String> lines = whole.lines().toList();
        for (int kept : new int[] {0, 1, lines.get(0).length(), lines.get(0).length() + 5, whole.length() - 2}) {
            Files.writeString(file(), whole.substring(0, kept));
            FakeAnswerer model = echo();
            List<Integer> done = run(model);
            long before =
                    whole.substring(0, kept).chars().filter(c -> c == '\n').count();
            if (kept == lines.get(0).length()) {
                before = 1; // only the end of the line is missing: the answer is there
            }
            assertThat(done.getFirst()).isEqualTo((int) before);
            assertThat(done.getLast()).isEqualTo(3);
            assertThat(model.asked()).hasSize(2 * (3 - (int) before));
            List<String> now = Files.readAllLines(file());
            assertThat(now).hasSize(3);
            assertThat(now.subList(0, (int) before)).isEqualTo(lines.subList(0, (int) before));
            for (int i = 0; i < 3; i++) {
                assertThat(JSON.readTree(now.get(i)).path("question_id").intValue())
                        .isEqualTo(QUESTIONS.get(i).id());
            }
        }
        FakeAnswerer again = echo();
        assertThat(run(again)).containsExactly(3);
        assertThat(again.asked()).isEmpty();
    }

    @Test
    void aLineThatIsTornWithinACharacterIsCut() throws IOException {
        FakeAnswerer model = new FakeAnswerer(1000, (conversation, drafting) -> "é");
        run(model);
        byte[] bytes = Files.readAllBytes(file());
        int half = new String(bytes, StandardCharsets.ISO_8859_1).lastIndexOf('\u00c3') + 1;
        Files.write(file(), Arrays.copyOf(bytes, half));
        assertThat(run(model)).containsExactly(2, 3);
        assertThat(Files.readAllLines(file())).hasSize(3);
    }

    @Test
    void whatIsNoFileOfThisModelsAnswersIsRefusedAndStays() throws IOException {
        run(echo());
        assertThatThrownBy(() -> MtBenchAnswers.open(file(), "other", Map.of()))
                .hasMessageContainingAll(file().toString(), "holds answers of m, not of other", "--output");
        String foreign = "{\"question_id\": 3}\n{\"a\": 1}\n";
        Path other = Files.writeString(directory.resolve("other.jsonl"), foreign);
        assertThatThrownBy(() -> MtBenchAnswers.open(other, "m", Map.of()))
                .hasMessageContainingAll("line 1", "no answer");
        assertThat(other).hasContent(foreign);
        // Not even the only line of a file is taken for one that was torn.
        for (String line : List.of("notes", "{\"question_id\": 3, \"turns\": [\"?\"]}", "{\"name\": \"x")) {
            Path mine = Files.writeString(directory.resolve("mine"), line);
            assertThatThrownBy(() -> MtBenchAnswers.open(mine, "m", Map.of()))
                    .hasMessageContaining("mine, line 1: no ");
            assertThat(mine).hasContent(line);
        }
        try (MtBenchAnswers first = MtBenchAnswers.open(file(), "m", Map.of())) {
            assertThat(first.all()).hasSize(3);
            assertThatThrownBy(() -> MtBenchAnswers.open(file(), "m", Map.of()))
                    .hasMessageContaining("another process");
        }
    }

    @Test
    void answersUnderOtherOptionsAreNotGoneOnWith() throws IOException {
        Map<String, String> options = Map.of("--max-new-tokens", "16");
        try (MtBenchAnswers answers = MtBenchAnswers.open(file(), "m", options)) {
            bench(echo(), 1).run(QUESTIONS.subList(0, 1), answers, done -> {});
        }
        assertThat(JSON.readTree(Files.readString(file()))
                        .path("options")
                        .path("--max-new-tokens")
                        .textValue())
                .isEqualTo("16");
        String before = Files.readString(file());
        assertThatThrownBy(() -> MtBenchAnswers.open(file(), "m", Map.of("--max-new-tokens", "32")))
                .hasMessageContainingAll(
                        "holds answers given with --max-new-tokens 16, not with --max-new-tokens 32", "--output");
        assertThat(file()).hasContent(before);
        try (MtBenchAnswers answers = MtBenchAnswers.open(file(), "m", options)) {
            assertThat(answers.holds(7)).isTrue();
        }
    }

    @Test
    void aTurnWithoutRoomIsAnErrorAndTheNextQuestionsAreAnswered() throws IOException {
        run(new FakeAnswerer(10, (conversation, drafting) -> "fine"));
        try (MtBenchAnswers answers = MtBenchAnswers.open(file(), "m", Map.of())) {
            assertThat(answers.all()).hasSize(3);
            assertThat(answers.all().getFirst().choices().getFirst().turns()).containsExactly("fine", "ERROR");
            List<MtBench.Line> summary = MtBench.summary(QUESTIONS, answers.all());
            assertThat(summary)
                    .containsExactly(
                            new MtBench.Line("writing", 2, 2, 2, 8, 4, 0.5),
                            new MtBench.Line("math", 1, 1, 1, 4, 2, 0.25),
                            new MtBench.Line("all", 3, 3, 3, 12, 6, 0.75));
            assertThat(summary.getLast().tokensPerStep()).isEqualTo(2);
            assertThat(summary.getLast().tokensPerSecond()).isEqualTo(16);
        }
    }

    @Test
    void otherProgramsFilesAreReadWithoutTheirCosts() throws IOException {
        Files.createDirectories(file().getParent());
        Files.writeString(
                file(),
                "{\"question_id\": 9, \"answer_id\": \"x\", \"model_id\": \"m\", \"choices\": [{\"index\": 0, \"turns\":"
                        + " [\"a\", \"b\"]}], \"tstamp\": 1.5}\n",
                StandardOpenOption.CREATE);
        assertThat(run(echo())).containsExactly(1, 2, 3);
        assertThat(Files.readAllLines(file())).hasSize(3).first().asString().contains("\"answer_id\": \"x\"");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "\n\n",
                "x",
                "[]",
                "{\"question_id\": 1, \"category\": \"math\"}",
                "{\"question_id\": 1, \"category\": \"math\", \"turns\": []}",
                "{\"question_id\": 1, \"category\": \"math\", \"turns\": [3]}",
                "{\"question_id\": \"1\", \"category\": \"math\", \"turns\": [\"?\"]}",
                "{\"question_id\": 1, \"turns\": [\"?\"]}",
            })
    void whatIsNoQuestionIsRefusedByName(String content) throws IOException {
        Path file = Files.writeString(directory.resolve("questions.jsonl"), content);
        assertThatThrownBy(() -> MtBenchQuestion.read(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(file.toString());
    }

    @Test
    void aQuestionIsThereOnce() throws IOException {
        String line = "{\"question_id\": 1, \"category\": \"math\", \"turns\": [\"?\"]}\n";
        Path file = Files.writeString(directory.resolve("questions.jsonl"), line + line);
        assertThatThrownBy(() -> MtBenchQuestion.read(file)).hasMessageContaining("line 2: question 1 is there twice");
    }

    /** shortuuid writes a UUID's number in base 57 without the letters that look alike, most significant first. */
    @Test
    void answersAreNamedAsShortuuidNamesThem() {
        assertThat(MtBench.name(new UUID(0, 0))).isEqualTo("2".repeat(22));
        assertThat(MtBench.name(new UUID(0, 57))).isEqualTo("2".repeat(20) + "32");
        assertThat(MtBench.name(new UUID(-1, -1))).hasSize(22).matches("[2-9A-HJ-NP-Za-km-z]+");
    }
}
