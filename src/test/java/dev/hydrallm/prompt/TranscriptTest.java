package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.prompt.Transcript.Finish;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/** Which tokens of a conversation the assistant said, by hand for every family of templates. */
class TranscriptTest {
    private static final Tokenizer DEMO = Tokenizers.demo();
    private static final Tokenizer PIECES = Tokenizers.sentencePiece();
    private static final Tokenizer LLAMA3 =
            Tokenizers.demoWith("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>");
    private static final Tokenizer QWEN = Tokenizers.demoWith("<|im_start|>", "<|im_end|>");

    private static final String VICUNA = "<s>" + ChatTemplate.VICUNA_SYSTEM + " USER: ";
    private static final Message HI = new Message("user", "Hi");
    private static final Message BYE = new Message("user", "Bye");
    private static final Message SYSTEM = new Message("system", "Be brief.");

    private static Message said(String content) {
        return new Message("assistant", content);
    }

    private static String template(String name) {
        try (InputStream in = TranscriptTest.class.getResourceAsStream("/templates/" + name + ".jinja")) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String marked(Tokenizer tokenizer, String template, Finish finish, Message... messages) {
        List<Transcript> transcripts = ChatTemplate.of(template, tokenizer).transcribe(List.of(messages), finish);
        assertThat(transcripts).hasSize(1);
        return Marked.text(tokenizer, transcripts.getFirst());
    }

    private static String marked(Tokenizer tokenizer, String template, Message... messages) {
        return marked(tokenizer, template, Finish.WHOLE, messages);
    }

    @Test
    void vicuna() {
        assertThat(marked(DEMO, "vicuna_v1.1", HI, said("Hello"), BYE, said("See you")))
                .isEqualTo(VICUNA + "Hi ASSISTANT:⟦ Hello</s>⟧USER: Bye ASSISTANT:⟦ See you</s>⟧");
        assertThat(marked(DEMO, "vicuna_v1.1", SYSTEM, HI, said("Hello")))
                .isEqualTo("<s>Be brief. USER: Hi ASSISTANT:⟦ Hello</s>⟧");
    }

    @Test
    void vicunasOwnJinjaTemplate() {
        assertThat(marked(DEMO, template("vicuna"), HI, said("Hello"), BYE, said("See you")))
                .isEqualTo(VICUNA + "Hi ASSISTANT:⟦ Hello</s>⟧ USER: Bye ASSISTANT:⟦ See you</s>⟧");
    }

    @Test
    void sentencePieces() {
        // The tokenizer puts a blank before each part between special tokens.
        assertThat(marked(PIECES, "vicuna_v1.1", SYSTEM, HI, said("hello"), BYE, said("é漢👩")))
                .isEqualTo("<s> Be brief. USER: Hi ASSISTANT:⟦ hello</s>⟧ USER: Bye ASSISTANT:⟦ é漢👩</s>⟧");
        assertThat(marked(PIECES, template("zephyr"), HI, said("hello"), BYE, said("👩‍👩‍👧")))
                .isEqualTo("""
                        <s> <|user|>
                        Hi</s>\s
                        <|assistant|>
                        ⟦hello</s>⟧\s
                        <|user|>
                        Bye</s>\s
                        <|assistant|>
                        ⟦👩‍👩‍👧</s>⟧""");
        assertThat(marked(PIECES, template("llama-2"), SYSTEM, HI, said("")))
                .isEqualTo("<s> [INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST]⟦  </s>⟧");
    }

    @Test
    void otherFamilies() {
        assertThat(marked(DEMO, template("zephyr"), SYSTEM, HI, said("Hello"))).isEqualTo("""
                        <s><|system|>
                        Be brief.</s>
                        <|user|>
                        Hi</s>
                        <|assistant|>
                        ⟦Hello</s>⟧""");
        assertThat(marked(DEMO, template("mistral"), HI, said("Hello"), BYE, said("See you")))
                .isEqualTo("<s>[INST] Hi [/INST]⟦Hello</s>⟧[INST] Bye [/INST]⟦See you</s>⟧");
        assertThat(marked(DEMO, template("llama-2"), HI, said("Hello"), BYE, said("Ciao")))
                .isEqualTo("<s>[INST] Hi [/INST]⟦ Hello </s>⟧<s>[INST] Bye [/INST]⟦ Ciao </s>⟧");
        assertThat(marked(LLAMA3, template("llama-3"), SYSTEM, HI, said("Hello"), BYE, said("Ciao")))
                .isEqualTo("<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
                        + "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n⟦Hello<|eot_id|>⟧"
                        + "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
                        + "<|start_header_id|>assistant<|end_header_id|>\n\n⟦Ciao<|eot_id|>⟧");
        assertThat(marked(QWEN, template("qwen2.5"), SYSTEM, HI, said("Hello"), BYE, said("Ciao")))
                .isEqualTo("""
                        <s><|im_start|>system
                        Be brief.<|im_end|>
                        <|im_start|>user
                        Hi<|im_end|>
                        <|im_start|>assistant
                        ⟦Hello<|im_end|>⟧
                        <|im_start|>user
                        Bye<|im_end|>
                        <|im_start|>assistant
                        ⟦Ciao<|im_end|>⟧""");
        assertThat(marked(DEMO, "raw", HI, said("Hello"))).isEqualTo("<s>Hi⟦\nHello⟧");
    }

    @Test
    void unicodeAndEmptyAnswers() {
        String combined = "e\u0301 ǖ\u0308";
        assertThat(marked(DEMO, "vicuna_v1.1", HI, said("漢字👩‍🚀 "), BYE, said(combined), HI, said("")))
                .isEqualTo(VICUNA + "Hi ASSISTANT:⟦ 漢字👩‍🚀 </s>⟧USER: Bye ASSISTANT:⟦ " + combined
                        + "</s>⟧USER: Hi ASSISTANT:⟦ </s>⟧");
        assertThat(marked(DEMO, template("mistral"), new Message("user", "👩"), said(""), HI, said("👩")))
                .isEqualTo("<s>[INST] 👩 [/INST]⟦</s>⟧[INST] Hi [/INST]⟦👩</s>⟧");
    }

    @Test
    void specialTokensThatSomebodyTypedAreText() {
        List<Transcript> transcripts = ChatTemplate.of("vicuna_v1.1", DEMO)
                .transcribe(
                        List.of(new Message("user", "</s>👩"), said("a</s>漢<s>b"), HI, said("c</s>")), Finish.WHOLE);
        assertThat(transcripts).hasSize(1);
        Transcript transcript = transcripts.getFirst();
        assertThat(Marked.text(DEMO, transcript))
                .isEqualTo(VICUNA + "</s>👩 ASSISTANT:⟦ a</s>漢<s>b</s>⟧USER: Hi ASSISTANT:⟦ c</s></s>⟧");
        assertThat(IntStream.of(transcript.ids()).filter(id -> id == 2).count()).isEqualTo(2);
    }

    @Test
    void whatIsReadIsWhatTheModelIsGivenToAnswer() {
        for (String template : List.of("vicuna_v1.1", template("mistral"), template("zephyr"), template("llama-2"))) {
            ChatTemplate chat = ChatTemplate.of(template, DEMO);
            int[] prompt = chat.encode(List.of(HI, said("Hello"), BYE));
            Transcript transcript = chat.transcribe(List.of(HI, said("Hello"), BYE, said("Ciao")), Finish.WHOLE)
                    .getFirst();
            assertThat(transcript.ids()).startsWith(prompt);
            assertThat(transcript.answered()[prompt.length - 1]).isFalse();
            assertThat(transcript.answered()[prompt.length]).isTrue();
        }
    }

    @Test
    void anAnswerThatWasCutOffHasNoEnd() {
        assertThat(marked(DEMO, "vicuna_v1.1", Finish.CUT, HI, said("Hello"), BYE, said("See y")))
                .isEqualTo(VICUNA + "Hi ASSISTANT:⟦ Hello</s>⟧USER: Bye ASSISTANT:⟦ See y⟧");
        assertThat(marked(DEMO, template("llama-2"), Finish.CUT, HI, said("Hel")))
                .isEqualTo("<s>[INST] Hi [/INST]⟦ Hel⟧");
    }

    @Test
    void aLastQuestionIsLeftOut() {
        assertThat(marked(DEMO, "vicuna_v1.1", HI, said("Hello"), BYE)).isEqualTo(VICUNA + "Hi ASSISTANT:⟦ Hello</s>⟧");
        assertThat(ChatTemplate.of("vicuna_v1.1", DEMO).transcribe(List.of(HI), Finish.WHOLE))
                .isEmpty();
    }

    @Test
    void aTemplateThatBeginsAnswersWithSpecialTokensIsFollowedToTheirEnd() {
        Tokenizer tokenizer = Tokenizers.demoWith("<|start|>", "<|channel|>", "<|message|>", "<|end|>");
        String harmony = "{% for m in messages %}<|start|>{{ m.role }}"
                + "{% if m.role == 'assistant' %}<|channel|>final{% endif %}<|message|>{{ m.content }}<|end|>"
                + "{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}";
        assertThat(marked(tokenizer, harmony, HI, said("a"), BYE, said("")))
                .isEqualTo("<s><|start|>user<|message|>Hi<|end|>"
                        + "<|start|>assistant⟦<|channel|>final<|message|>a<|end|>⟧<|start|>user<|message|>Bye<|end|>"
                        + "<|start|>assistant⟦<|channel|>final<|message|><|end|>⟧");
    }

    @Test
    void aTemplateThatAlwaysAsksForAnAnswerStillEndsItsTurns() {
        String always = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
                + "{{ '<|im_start|>assistant\n' }}";
        assertThat(marked(QWEN, always, HI, said("Hello"), BYE, said("im"))).isEqualTo("""
                        <s><|im_start|>user
                        Hi<|im_end|>
                        <|im_start|>assistant
                        ⟦Hello<|im_end|>⟧
                        <|im_start|>user
                        Bye<|im_end|>
                        <|im_start|>assistant
                        ⟦im<|im_end|>⟧""");
    }

    @Test
    void aTemplateThatChangesEarlierTextGivesASampleForEachAnswer() {
        String forgetful = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}U:{{ m.content }} A:"
                + "{% elif loop.last %}{{ m.content }}{{ eos_token }}{% else %}(…){{ eos_token }}{% endif %}{% endfor %}";
        ChatTemplate chat = ChatTemplate.of(forgetful, DEMO);
        assertThat(chat.transcribe(List.of(HI, said("Hello"), BYE, said("Ciao")), Finish.WHOLE))
                .extracting(transcript -> Marked.text(DEMO, transcript))
                .containsExactly("<s>U:Hi A:⟦Hello</s>⟧", "<s>U:Hi A:(…)</s>U:Bye A:⟦Ciao</s>⟧");
    }

    @Test
    void qwen3DropsEarlierThoughtsAndItsAnswersAreLearntAsTheyCame() {
        ChatTemplate chat = ChatTemplate.of(template("qwen3"), QWEN);
        assertThat(chat.transcribe(
                        List.of(HI, said("<think>\nA cat?\n</think>\n\nMeow!"), BYE, said("Ciao")), Finish.WHOLE))
                .extracting(transcript -> Marked.text(QWEN, transcript))
                .first()
                .asString()
                .contains("<|im_start|>assistant\n⟦<think>\nA cat?\n</think>\n\nMeow!<|im_end|>⟧");
    }

    @Test
    void aTemplateThatChangesTheQuestionIsRefused() {
        String counting = "{{ messages | length }}{% for m in messages %} {{ m.content }}{% endfor %}";
        assertThatThrownBy(() -> ChatTemplate.of(counting, DEMO).transcribe(List.of(HI, said("x")), Finish.WHOLE))
                .isInstanceOf(RewritingTemplateException.class)
                .hasMessageContaining("before an answer");
    }

    @Provide
    Arbitrary<List<String>> contents() {
        Arbitrary<String> bits = Arbitraries.of(
                "a",
                "Hello",
                " ",
                "  ",
                "\n",
                "\t",
                "é",
                "e\u0301",
                "漢字",
                "👩‍👩‍👧‍👦",
                "🏳️‍🌈",
                "</s>",
                "<s>",
                "<unk>",
                "USER:",
                "ASSISTANT:",
                "</",
                "s>",
                "\u0000",
                "\uD83D\uDE00",
                "\u202E",
                "\uFEFF",
                "\uDB80\uDC00",
                "7*7");
        return bits.list()
                .ofMaxSize(8)
                .map(list -> String.join("", list))
                .list()
                .ofMinSize(2)
                .ofMaxSize(8);
    }

    @Property(tries = 300)
    void theLabelledTokensAreTheAnswers(@ForAll("contents") List<String> contents) {
        List<Message> messages = new ArrayList<>();
        StringBuilder vicuna = new StringBuilder();
        StringBuilder mistral = new StringBuilder();
        for (int i = 0; i < contents.size() / 2; i++) {
            messages.add(new Message("user", contents.get(2 * i)));
            messages.add(said(contents.get(2 * i + 1)));
            vicuna.append(' ').append(contents.get(2 * i + 1)).append("</s>");
            mistral.append(contents.get(2 * i + 1)).append("</s>");
        }
        assertThat(answers(DEMO, "vicuna_v1.1", messages)).isEqualTo(vicuna.toString());
        // Here an answer begins right behind a bracket, with which it may share a token: that is not learnt. The
        // library that
        // renders templates writes NUL as an escape.
        if (!mistral.toString().contains("\0")) {
            assertThat(mistral.toString())
                    .endsWith(
                            answers(DEMO, template("mistral"), messages.subList(messages.size() - 2, messages.size())));
        }
        String pieces = answers(PIECES, "vicuna_v1.1", messages);
        // Its tokenizer puts a blank before each part between special tokens, and before the text.
        assertThat(pieces.replace(" ", "")).isEqualTo(vicuna.toString().replace(" ", ""));
    }

    private static String answers(Tokenizer tokenizer, String template, List<Message> messages) {
        Transcript transcript = ChatTemplate.of(template, tokenizer)
                .transcribe(messages, Finish.WHOLE)
                .getFirst();
        return tokenizer.decodeAll(IntStream.range(0, transcript.ids().length)
                .filter(i -> transcript.answered()[i])
                .map(i -> transcript.ids()[i])
                .toArray());
    }
}
