package dev.hydrallm.training.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.hydrallm.prompt.ChatTemplate;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** From files of conversations and texts to token files, and what is said of them. */
class PreparationTest extends PreparedFiles {
    @Test
    void badSamplesAreDroppedAndCountedByReason() throws IOException {
        Path input = file("a.jsonl", shareGpt("Hi", "Hello") + "\n" + """
                {"conversations":[{"from":"human","value":"Hi"},{"from":"human","value":"Hi"},{"from":"gpt","value":"x"}]}
                {"conversations":[{"from":"human","value":"Hi"},{"from":"narrator","value":"x"}]}
                {"conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":null}]}
                {"conversations":[{"from":"human","value":"Hi"},{"from":"gpt"}]}
                {"conversations":[{"value":"Hi"}]}
                {"conversations":[{"from":"human","value":"Hi"}]}
                {"conversations":[]}
                {"conversations":[{"from":"gpt","value":"alone"}]}
                {"conversations":["Hi","Hello"]}
                {"conversations":7}
                {"text":""}
                7
                {"conversations":[{"from":"human"
                not json
                {"conversations":[{"from":"human","value":"Hi"},{"from":"system","value":"x"},{"from":"gpt","value":"x"}]}
                """);
        Preparation.Result result = prepare(PLAIN, input);
        assertThat(marked(output())).hasSize(1);
        assertThat(result.read()).isEqualTo(16);
        assertThat(result.kept()).isEqualTo(1);
        assertThat(result.dropped())
                .containsEntry(Drop.ROLES.words(), 2L)
                .containsEntry(Drop.UNKNOWN_ROLE.words(), 1L)
                .containsEntry(Drop.BAD_MESSAGE.words(), 4L)
                .containsEntry(Drop.NO_ANSWER.words(), 3L)
                .containsEntry(Drop.NO_CONVERSATION.words(), 2L)
                .containsEntry(Drop.EMPTY.words(), 1L)
                .containsEntry(Drop.NO_JSON.words(), 2L)
                .hasSize(7);
        assertThat(result.examples())
                .containsEntry(Drop.ROLES.words(), input + ":2")
                .containsEntry(Drop.NO_JSON.words(), input + ":14");
        assertThat(result.dropped().values().stream().mapToLong(Long::longValue).sum() + result.kept())
                .isEqualTo(result.read());
    }

    @Test
    void whatATemplateRefusesIsCounted() throws IOException {
        Preparation.Base picky = new Preparation.Base(
                DEMO,
                ChatTemplate.of(
                        "{% for m in messages %}{% if m.content == 'no' %}{{ raise_exception('no') }}{% endif %}"
                                + "{% if m.content == 'odd' and loop.last %}!{% endif %}{{ m.content }}|{% endfor %}",
                        DEMO),
                DIGEST,
                4096);
        Path input =
                file("a.jsonl", shareGpt("Hi", "Hello") + "\n" + shareGpt("no", "x") + "\n" + shareGpt("odd", "x"));
        Preparation.Result result = Preparation.run(
                picky, PLAIN, Inputs.find(List.of(input), "*", Inputs.Format.AUTO), output(), eval(), done -> {});
        assertThat(result.dropped())
                .containsEntry(Drop.TEMPLATE_REFUSES.words(), 1L)
                .containsEntry(Drop.TEMPLATE_REWRITES.words(), 1L)
                .hasSize(2);
    }

    @Test
    void nothingToLearnFromIsAnErrorWithTheReasons() throws IOException {
        Path input = file("a.json", "[{\"conversations\":[]},{}]");
        assertThatExceptionOfType(DataFormatException.class)
                .isThrownBy(() -> prepare(PLAIN, input))
                .withMessageContainingAll("nothing to learn from in 2 documents", "1 no answer");
        assertThat(output()).doesNotExist();
    }

    private Path manyConversations() throws IOException {
        Random random = new Random(7);
        List<String> words = List.of("Hi", "漢字", "👩‍🚀", "def f(x):\n", "</s>", "e\u0301", "long ".repeat(50), "");
        return file(
                "many.json",
                IntStream.range(0, 400)
                        .mapToObj(i -> shareGpt(IntStream.range(0, 1 + random.nextInt(6))
                                .mapToObj(k -> words.get(random.nextInt(words.size())) + random.nextInt(1000))
                                .toArray(String[]::new)))
                        .collect(Collectors.joining(",\n", "[", "]")));
    }

    @Test
    void anyNumberOfThreadsGivesTheSameFiles() throws IOException {
        Path input = manyConversations();
        List<byte[]> files = new ArrayList<>();
        for (int threads : new int[] {1, 2, 7}) {
            Preparation.Result result = prepare(new Preparation.Options(256, Optional.of(true), 0.2, threads), input);
            assertThat(result.read()).isEqualTo(400);
            files.add(Files.readAllBytes(output()));
            files.add(Files.readAllBytes(eval()));
        }
        for (int i = 2; i < files.size(); i++) {
            assertThat(files.get(i)).isEqualTo(files.get(i % 2));
        }
    }

    @Test
    void whatIsHeldOutIsAboutTheShareAndNowhereElse() throws IOException {
        Path input = manyConversations();
        Preparation.Result result = prepare(new Preparation.Options(512, Optional.empty(), 0.25, 2), input);
        List<String> train = marked(output());
        List<String> held = marked(eval());
        assertThat(train).doesNotContainAnyElementsOf(held);
        assertThat((double) held.size() / (held.size() + train.size())).isBetween(0.15, 0.35);
        assertThat(result.eval()).isNotNull();
        // More data do not move what was held out before.
        Path more = file("more.json", "[" + shareGpt("Something", "else") + "]");
        prepare(new Preparation.Options(512, Optional.empty(), 0.25, 2), more, input);
        assertThat(marked(eval())).containsAll(held);
    }

    @Test
    void optionsThatMakeNoSenseAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new Preparation.Options(2, Optional.empty(), 0, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new Preparation.Options(9, Optional.empty(), 1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new Preparation.Options(9, Optional.empty(), -0.1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new Preparation.Options(9, Optional.empty(), 0, 0));
    }

    @Test
    void whatIsHeldOutGoesElsewhere() throws IOException {
        Path input = file("a.jsonl", shareGpt("Hi", "Hello"));
        List<Inputs.Source> sources = Inputs.find(List.of(input), "*", Inputs.Format.AUTO);
        Path same = folder.resolve("out/./tokens.bin");
        Preparation.Options halves = new Preparation.Options(64, Optional.empty(), 0.5, 1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Preparation.run(VICUNA, halves, sources, output(), same, done -> {}))
                .withMessageContaining("cannot hold both");
        Preparation.run(VICUNA, PLAIN, sources, output(), same, done -> {});
        assertThat(samples(output())).hasSize(1);
    }
}
