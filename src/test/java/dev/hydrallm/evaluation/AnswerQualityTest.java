package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.evaluation.AnswerQuality.Check;
import dev.hydrallm.evaluation.Answerer.Drafting;
import dev.hydrallm.evaluation.ReferenceSet.Item;
import dev.hydrallm.testing.Shared;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AnswerQualityTest {
    @TempDir
    Path directory;

    private static Item item(String prompt, String reference) {
        return new Item(prompt, Optional.of(reference));
    }

    @Test
    void scoresAreMeansOverTheAnswersThatHaveAReference() {
        FakeAnswerer model = new FakeAnswerer(50, (prompt, drafting) -> switch (prompt) {
            case "right" -> " the cat on the mat\n";
            case "half" -> "the cat sat the mat";
            default -> "x";
        });
        ReferenceSet set = new ReferenceSet(
                "cats",
                List.of(
                        item("right", "the cat on the mat"),
                        new Item("open", Optional.empty()),
                        item("half", "the cat on the mat"),
                        item("long".repeat(20), "x")));
        List<Integer> done = new ArrayList<>();
        AnswerQuality quality = AnswerQuality.of(model, set, 100, Check.DRAFTS, done::add);
        assertThat(done).containsExactly(1, 2, 3, 4);
        assertThat(quality.withoutReference()).isEqualTo(1);
        assertThat(quality.tooLong()).isEqualTo(1);
        assertThat(quality.answers()).hasSize(2);
        assertThat(quality.answers().getFirst().answer()).isEqualTo("the cat on the mat");
        assertThat(quality.bleu2()).isCloseTo((1 + Math.sqrt(0.8 * 0.5)) / 2, within(1e-12));
        assertThat(quality.rouge1()).isCloseTo((1 + 0.8) / 2, within(1e-12));
        assertThat(quality.rouge2()).isCloseTo((1 + 0.5) / 2, within(1e-12));
        assertThat(quality.rougeL()).isCloseTo((1 + 0.8) / 2, within(1e-12));
        assertThat(quality.tokens()).isEqualTo(20 + 19);
        assertThat(quality.tokensPerStep()).isEqualTo(39.0 / 20);
        assertThat(quality.seconds()).isEqualTo(0.5);
        assertThat(quality.check()).isEqualTo(new AnswerQuality.DraftCheck(2, 0, 0.5));
        assertThat(model.asked()).allMatch(question -> question.rule() instanceof AcceptanceRule.Greedy);
        assertThat(model.asked().stream().map(Answerer.Question::drafting))
                .containsExactly(Drafting.USUAL, Drafting.NONE, Drafting.USUAL, Drafting.NONE);
    }

    @Test
    void anAnswerThatDraftsChangedIsFound() {
        FakeAnswerer model = new FakeAnswerer(50, (prompt, drafting) -> prompt.equals("b") ? drafting.name() : "same");
        ReferenceSet set = new ReferenceSet("s", List.of(item("a", "x"), item("b", "x"), item("c", "x")));
        assertThat(AnswerQuality.of(model, set, 100, Check.DRAFTS, done -> {}).check())
                .isEqualTo(new AnswerQuality.DraftCheck(2, 1, 0.75));
        assertThat(AnswerQuality.of(model, set, 100, Check.NOTHING, done -> {}).check())
                .isNull();
    }

    @Test
    void ofNoAnswersThereIsNoMean() {
        FakeAnswerer model = new FakeAnswerer(1, (prompt, drafting) -> "");
        AnswerQuality quality =
                AnswerQuality.of(model, new ReferenceSet("s", List.of(item("abc", "x"))), 5, Check.DRAFTS, done -> {});
        assertThat(quality.answers()).isEmpty();
        assertThat(quality.bleu2()).isNaN();
        assertThat(quality.tokensPerStep()).isNaN();
    }

    @Test
    void theSeedsSetsAreRead() throws IOException {
        ReferenceSet chats = ReferenceSet.read(Shared.benchmark().resolve("test_conversation_ultrachat_200k.json"));
        assertThat(chats.prompts())
                .hasSize(10)
                .allMatch(item -> item.reference().isEmpty());
        ReferenceSet summaries = ReferenceSet.read(Shared.benchmark().resolve("test_summarization_SAMSum.json"));
        assertThat(summaries.name()).isEqualTo("test_summarization_SAMSum");
        assertThat(summaries.prompts())
                .hasSize(10)
                .allMatch(item -> item.reference().isPresent());
        assertThat(summaries.prompts().get(1).reference()).hasValue("Anita is at Bologna station.");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "[]",
                "3",
                "[",
                "",
                "[{}] x",
                "[{\"gt\": \"x\"}]",
                "[{\"prompt\": \" \"}]",
                "[{\"prompt\": 3}]",
                "[{\"prompt\": \"x\", \"gt\": 3}]",
                "[{\"prompt\": \"x\", \"gt\": null}, 4]"
            })
    void whatIsNoSetIsRefusedByName(String content) throws IOException {
        Path file = Files.writeString(directory.resolve("broken.json"), content);
        assertThatThrownBy(() -> ReferenceSet.read(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(file.toString());
    }
}
