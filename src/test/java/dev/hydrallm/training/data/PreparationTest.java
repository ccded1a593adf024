package dev.hydrallm.training.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Marked;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.prompt.Tokenizers;
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
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** From files of conversations and texts to token files. */
class PreparationTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static final Tokenizer DEMO = Tokenizers.demo();
    private static final String DIGEST = "cd".repeat(32);
    private static final Preparation.Base VICUNA =
            new Preparation.Base(DEMO, ChatTemplate.of("vicuna_v1.1", DEMO), DIGEST, 4096);
    private static final String SYSTEM = "<s>" + ChatTemplate.VICUNA_SYSTEM + " USER: ";
    private static final Preparation.Options PLAIN = new Preparation.Options(1024, Optional.empty(), 0, 2);

    @TempDir
    Path folder;

    private Path output() {
        return folder.resolve("out/tokens.bin");
    }

    private Path eval() {
        return folder.resolve("out/eval.bin");
    }

    private Path file(String name, String content) throws IOException {
        return Files.writeString(folder.resolve(name), content);
    }

    private Preparation.Result prepare(Preparation.Options options, Path... inputs) throws IOException {
        return Preparation.run(
                VICUNA, options, Inputs.find(List.of(inputs), "*", Inputs.Format.AUTO), output(), eval(), done -> {});
    }

    private static List<Sample> samples(Path path) {
        try (TokenFile file = TokenFile.open(path)) {
            return IntStream.range(0, file.count()).mapToObj(file::get).toList();
        }
    }

    private static List<String> marked(Path path) {
        return samples(path).stream()
                .map(sample -> Marked.text(DEMO, sample.tokens(), sample.labelled()))
                .toList();
    }

    private static String shareGpt(String... contents) {
        ObjectNode json = JSON.createObjectNode().put("id", "x");
        ArrayNode list = json.putArray("conversations");
        for (int i = 0; i < contents.length; i++) {
            list.addObject().put("from", i % 2 == 0 ? "human" : "gpt").put("value", contents[i]);
        }
        return json.toString();
    }

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
    void halvesOfCharactersDoNoHarm() throws IOException {
        prepare(PLAIN, file("a.jsonl", "{\"text\":\"a\\ud83db\\udc69c\"}"));
        assertThat(marked(output())).containsExactly("⟦<s>a\uFFFDb\uFFFDc</s>⟧");
    }

    @Test
    void nothingToLearnFromIsAnErrorWithTheReasons() throws IOException {
        Path input = file("a.json", "[{\"conversations\":[]},{}]");
        assertThatExceptionOfType(DataFormatException.class)
                .isThrownBy(() -> prepare(PLAIN, input))
                .withMessageContainingAll("nothing to learn from in 2 documents", "1 no answer");
        assertThat(output()).doesNotExist();
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
