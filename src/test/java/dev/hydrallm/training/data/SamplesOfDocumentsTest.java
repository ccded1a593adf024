package dev.hydrallm.training.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.training.Sample;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which tokens become a sample, and which of them are learnt. */
class SamplesOfDocumentsTest extends PreparedFiles {
    @Test
    void shareGptArraysLinesAndMessagesGiveTheSame() throws IOException {
        String expected = SYSTEM + "Hi ASSISTANT:⟦ Hello 👩</s>⟧";
        String conversation = shareGpt("Hi", "Hello 👩");
        String messages = """
                {"messages":[{"role":"user","content":"Hi"},
                {"role":"assistant","content":[{"type":"text","text":"Hello "},{"type":"text","text":"👩"}]}]}""".replace("\n", "");
        for (Path input : List.of(
                file("a.json", "[\n " + conversation + " ]"),
                file("b.jsonl", conversation + "\n\n"),
                file("bom.json", "\uFEFF \n[" + conversation + "]"),
                file("c.jsonl", messages),
                file("d.json", "[" + messages.replace("\"user\"", "\"human\"") + "]"))) {
            Preparation.Result result = prepare(PLAIN, input);
            assertThat(marked(output())).containsExactly(expected);
            assertThat(result.read()).isEqualTo(1);
            assertThat(result.kept()).isEqualTo(1);
            assertThat(result.dropped()).isEmpty();
            assertThat(result.train().labelShare())
                    .isEqualTo(
                            (double) result.train().labelled() / result.train().tokens());
        }
    }

    @Test
    void aFirstMessageFromSomebodyElseIsLeftOutAndASystemMessageIsNot() throws IOException {
        Path input = file("a.jsonl", """
                {"conversations":[{"from":"gpt","value":"I begin"},{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}
                {"conversations":[{"from":"system","value":"Be brief."},{"from":"human","value":"Hi"},{"from":"gpt","value":"Hello"}]}
                {"conversations":[{"from":"system","value":"B."},{"from":"gpt","value":"I"},{"from":"human","value":"Hi"},{"from":"gpt","value":""}]}
                """);
        prepare(PLAIN, input);
        assertThat(marked(output()))
                .containsExactly(
                        SYSTEM + "Hi ASSISTANT:⟦ Hello</s>⟧",
                        "<s>Be brief. USER: Hi ASSISTANT:⟦ Hello</s>⟧",
                        "<s>B. USER: Hi ASSISTANT:⟦ </s>⟧");
    }

    @Test
    void halvesOfCharactersDoNoHarm() throws IOException {
        prepare(PLAIN, file("a.jsonl", "{\"text\":\"a\\ud83db\\udc69c\"}"));
        assertThat(marked(output())).containsExactly("⟦<s>a\uFFFDb\uFFFDc</s>⟧");
    }

    @Test
    void aConversationIsCutWithinAnAnswer() throws IOException {
        String answer = "one two three four five six seven";
        Path input = file("a.jsonl", shareGpt("Hi", answer));
        prepare(PLAIN, input);
        Sample whole = samples(output()).getFirst();
        int length = whole.tokens().length - 3;
        Preparation.Result result = prepare(new Preparation.Options(length, Optional.empty(), 0, 1), input);
        Sample cut = samples(output()).getFirst();
        assertThat(result.truncated()).isEqualTo(1);
        assertThat(cut.tokens()).isEqualTo(Arrays.copyOf(whole.tokens(), length));
        assertThat(cut.labelled()).isEqualTo(Arrays.copyOf(whole.labelled(), length));
        assertThat(cut.labelled()[length - 1]).isTrue();
        assertThat(marked(output()).getFirst())
                .startsWith(SYSTEM + "Hi ASSISTANT:⟦ one")
                .endsWith("⟧");
        // Before the answer: nothing is left to learn.
        assertThatExceptionOfType(DataFormatException.class)
                .isThrownBy(() -> prepare(new Preparation.Options(10, Optional.empty(), 0, 1), input))
                .withMessageContaining(Drop.NO_LABEL.words());
    }

    @Test
    void textsShareSamplesUnlessToldOtherwise() throws IOException {
        Files.createDirectories(folder.resolve("in/sub/.git"));
        file("in/a.py", "x = 1\n");
        file("in/b.py", "y = 2\n");
        file("in/sub/c.txt", "not python");
        file("in/sub/.git/config", "hidden");
        Files.write(folder.resolve("in/d.py"), new byte[] {'a', (byte) 0xff});
        file("in/e.py", "");
        List<Inputs.Source> sources = Inputs.find(List.of(folder.resolve("in")), "*.py", Inputs.Format.AUTO);
        assertThat(sources).hasSize(4);
        Preparation.Result result = Preparation.run(VICUNA, PLAIN, sources, output(), eval(), done -> {});
        assertThat(marked(output())).containsExactly("⟦<s>x = 1\n</s><s>y = 2\n</s>⟧");
        assertThat(result.dropped()).containsEntry(Drop.NOT_UTF8.words(), 1L).containsEntry(Drop.EMPTY.words(), 1L);
        Preparation.run(
                VICUNA, new Preparation.Options(1024, Optional.of(false), 0, 1), sources, output(), eval(), done -> {});
        assertThat(marked(output())).containsExactly("⟦<s>x = 1\n</s>⟧", "⟦<s>y = 2\n</s>⟧");
        // Windows are full but for the last.
        Preparation.run(
                VICUNA, new Preparation.Options(5, Optional.empty(), 0, 1), sources, output(), eval(), done -> {});
        assertThat(samples(output()))
                .extracting(sample -> sample.tokens().length)
                .startsWith(5, 5);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Inputs.find(List.of(folder.resolve("in")), "*.rs", Inputs.Format.AUTO))
                .withMessageContaining("*.rs");
    }

    @Test
    void textsDoNotShareASampleWithConversations() throws IOException {
        String text = "{\"text\":\"x = 1\"}\n";
        prepare(PLAIN, file("a.jsonl", text + shareGpt("Hi", "a") + "\n" + text + text));
        assertThat(marked(output()))
                .containsExactly("⟦<s>x = 1</s>⟧", SYSTEM + "Hi ASSISTANT:⟦ a</s>⟧", "⟦<s>x = 1</s><s>x = 1</s>⟧");
    }

    @Test
    void conversationsShareSamplesWhenAsked() throws IOException {
        Path input = file("a.jsonl", shareGpt("Hi", "a") + "\n" + shareGpt("Bye", "b") + "\n" + shareGpt("Hi", "c"));
        prepare(PLAIN, input);
        assertThat(marked(output())).hasSize(3);
        int two = samples(output()).stream()
                .mapToInt(sample -> sample.tokens().length)
                .limit(2)
                .sum();
        prepare(new Preparation.Options(two, Optional.of(true), 0, 1), input);
        assertThat(marked(output()))
                .containsExactly(
                        SYSTEM + "Hi ASSISTANT:⟦ a</s>⟧" + SYSTEM + "Bye ASSISTANT:⟦ b</s>⟧",
                        SYSTEM + "Hi ASSISTANT:⟦ c</s>⟧");
    }

    @Test
    void aTextInPiecesGivesTheTokensOfTheWhole() throws IOException {
        String python = Files.readString(Path.of("src/test/resources/dev/hydrallm/evaluation/held-out.py"));
        List<Entry> entries = new ArrayList<>();
        new TextReader(Path.of("held-out.py"), entries::add, 4000)
                .read(new ByteArrayInputStream(python.getBytes(StandardCharsets.UTF_8)));
        assertThat(entries.size()).isGreaterThan(2);
        DocumentEncoder encoder = new DocumentEncoder(DEMO, VICUNA.template(), DIGEST, 4096, 1024);
        int[] joined = entries.stream()
                .map(entry -> encoder.encode(((Entry.Found) entry).document()))
                .flatMapToInt(encoded -> IntStream.of(((Encoded.Stream) encoded).ids()))
                .toArray();
        int[] whole = ((Encoded.Stream) encoder.encode(Document.Text.whole(python))).ids();
        assertThat(joined).isEqualTo(whole);
        assertThat(joined).startsWith(1).endsWith(2);
    }

    @Test
    void ofACompletionOnlyTheCompletionIsLearnt() throws IOException {
        int[] prompt = DEMO.encode("def f");
        int[] completion = {DEMO.encode("(")[1], DEMO.encode("x")[1], 2};
        ObjectNode exact = JSON.createObjectNode().put("prompt", "def f").put("completion", "(x");
        exact.set("prompt_ids", JSON.valueToTree(prompt));
        exact.set("completion_ids", JSON.valueToTree(completion));
        Path input = file(
                "a.jsonl",
                exact.put("tokenizer", DIGEST) + "\n" + exact.put("tokenizer", "ef".repeat(32)) + "\n" + """
                {"prompt":"def f","completion":"(x):","finish_reason":"length"}
                {"prompt":"def f","completion":"(x):","finish_reason":"stop"}
                """);
        Preparation.Result result = prepare(PLAIN, input);
        assertThat(samples(output()).getFirst().tokens())
                .isEqualTo(IntStream.concat(IntStream.of(prompt), IntStream.of(completion))
                        .toArray());
        assertThat(marked(output())).containsExactly("<s>def f⟦(x</s>⟧", "<s>def f⟦(x):⟧", "<s>def f⟦(x):</s>⟧");
        assertThat(result.dropped()).containsEntry(Drop.OTHER_TOKENS.words(), 1L);
    }
}
