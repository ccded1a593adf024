package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.Statistics;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.ModelEngine;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompressionTest {
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();

    @TempDir
    Path directory;

    private static Statistics text(int tokens, Integer... accepted) {
        return new Statistics(3, 0, tokens, List.of(accepted), 0, List.of(), Statistics.Phases.ZERO);
    }

    @Test
    void tokensAreDividedByAllStepsAndMedusaLeavesOneOut() {
        // Steps of 1 + 0, 1 + 2, 1 + 1 tokens; the last is cut to one.
        Compression both =
                Compression.none(2).plus(text(5, 0, 2, 1)).plus(text(3, 2)).plus(text(2, 0, 0));
        assertThat(both).isEqualTo(new Compression(3, 0, 10, 6, List.of(3L, 1L, 2L)));
        assertThat(both.tokensPerStep()).isCloseTo(10 / 6.0, within(1e-12));
        assertThat(both.asMedusaCounts()).isCloseTo(10 / 3.0, within(1e-12));
        assertThat(Compression.none(1).plus(text(9, 3, 0)).accepted())
                .as("the text drafts deeper than heads")
                .containsExactly(1L, 0L, 0L, 1L);
        assertThat(Compression.none(3).tokensPerStep()).isNaN();
        assertThat(Compression.none(1).plus(text(1, 0)).asMedusaCounts()).isInfinite();
    }

    @Test
    void theDemoWritesTheSameTextInFewerStepsWithATreeAndTurnsGoOn() {
        try (PackedModel pack = PackedModel.open(Path.of("models", "demo"));
                Tokenizer tokenizer = TextModel.tokenizerOf(pack);
                Engine engine = ModelEngine.load(pack, EngineOptions.DEFAULT)) {
            Compression.Benchmark benchmark = new Compression.Benchmark(
                    engine, tokenizer, ChatTemplate.of(ChatTemplate.RAW, tokenizer), Set.of(), 24);
            PromptSet set = new PromptSet(
                    "two",
                    PromptSet.Form.CHAT,
                    List.of(List.of("def add(a, b):", "def sub(a, b):"), List.of("import os\n")));
            int[] done = {0};
            Compression plain = benchmark.run(set, Speculation.NONE, GREEDY, () -> done[0]++);
            assertThat(plain).isEqualTo(new Compression(3, 0, 72, 72, List.of(72L)));
            assertThat(plain.tokensPerStep()).isEqualTo(1);
            assertThat(done[0]).isEqualTo(2);
            DraftTree tree = DraftTree.of(List.of(List.of(0), List.of(0, 0), List.of(1)));
            Compression drafted = benchmark.run(set, Speculation.whole(tree), GREEDY, () -> {});
            assertThat(drafted.tokens()).isEqualTo(72);
            assertThat(drafted.accepted()).hasSize(3);
            assertThat(drafted.accepted().stream().mapToLong(Long::longValue).sum())
                    .isEqualTo(drafted.steps());
            long written = drafted.steps()
                    + drafted.accepted().get(1)
                    + 2 * drafted.accepted().get(2);
            // What the last step of a text wrote beyond its end was cut.
            assertThat(written).isBetween(72L, 72L + 2 * 3);
            assertThat(drafted.tokensPerStep()).isBetween(1.1, 3.0);
            PromptSet tooLong = new PromptSet("long", PromptSet.Form.TEXT, List.of(List.of("x = 1\n".repeat(1000))));
            assertThat(benchmark.run(tooLong, Speculation.NONE, GREEDY, () -> {}))
                    .isEqualTo(new Compression(0, 1, 0, 0, List.of(0L)));
        }
    }

    private PromptSet read(String name, String content) throws IOException {
        return PromptSet.read(Files.writeString(directory.resolve(name), content));
    }

    @Test
    void promptsAreReadFromListsLinesAndTexts() throws IOException {
        assertThat(read("a.json", "[{\"prompt\": \"Grüße 🌍\", \"gt\": null}, {\"prompt\": \"b\"}]"))
                .isEqualTo(new PromptSet("a", PromptSet.Form.CHAT, List.of(List.of("Grüße 🌍"), List.of("b"))));
        assertThat(read("q.jsonl", "{\"question_id\": 81, \"turns\": [\"one\", \"two\"]}\n\n{\"prompt\": \"three\"}\n"))
                .isEqualTo(new PromptSet("q", PromptSet.Form.CHAT, List.of(List.of("one", "two"), List.of("three"))));
        assertThat(read("code.py", "def f():\n"))
                .isEqualTo(new PromptSet("code", PromptSet.Form.TEXT, List.of(List.of("def f():\n"))));
        assertThat(read("many.json", "[{\"prompt\": \"a\"}, {\"prompt\": \"b\"}]")
                        .first(1)
                        .prompts())
                .containsExactly(List.of("a"));
        assertThat(PromptSet.python().prompts()).hasSize(24).doesNotHaveDuplicates();
    }

    @Test
    void whatHoldsNoPromptsIsToldByFileAndPlace() {
        assertThatThrownBy(() -> read("a.json", "{\"prompt\": \"x\"}"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("a.json", "no list of prompts");
        assertThatThrownBy(() -> read("a.json", "[{\"prompt\": \"x\"}, {\"gt\": 1}]"))
                .hasMessageContainingAll("a.json", "prompt 2 has neither");
        assertThatThrownBy(() -> read("a.jsonl", "{\"turns\": [1]}")).hasMessageContaining("prompt 1 has neither");
        assertThatThrownBy(() -> read("a.json", "[")).hasMessageContaining("no valid JSON");
        assertThatThrownBy(() -> read("a.json", "[]")).hasMessageContaining("no prompt in it");
        assertThatThrownBy(() -> read("a.txt", "")).hasMessageContaining("no prompt in it");
        assertThatThrownBy(() ->
                        PromptSet.read(Files.write(directory.resolve("l.txt"), new byte[] {'a', (byte) 0xe9, 'b'})))
                .hasMessageContaining("not valid UTF-8");
    }
}
