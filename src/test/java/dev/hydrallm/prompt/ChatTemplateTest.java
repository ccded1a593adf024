package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ChatTemplateTest {
    private static final Tokenizer TOKENIZER = Tokenizers.demo();
    private static final Message SYSTEM = new Message("system", "Be brief.");
    private static final Message HI = new Message("user", "Hi");
    private static final Message HELLO = new Message("assistant", "Hello");
    private static final Message BYE = new Message("user", "Bye");

    private static String render(String template, Message... messages) {
        return ChatTemplate.of(template, TOKENIZER).render(List.of(messages));
    }

    @Test
    void vicunaIsWrittenAsFastChatWritesIt() {
        String system = "A chat between a curious user and an artificial intelligence assistant. The assistant gives"
                + " helpful, detailed, and polite answers to the user's questions.";
        assertThat(render("vicuna_v1.1", HI)).isEqualTo(system + " USER: Hi ASSISTANT:");
        assertThat(render("vicuna_v1.1", HI, HELLO, BYE))
                .isEqualTo(system + " USER: Hi ASSISTANT: Hello</s>USER: Bye ASSISTANT:");
        assertThat(render("vicuna_v1.1", SYSTEM, HI, HELLO, BYE, HELLO, HI))
                .isEqualTo("Be brief. USER: Hi ASSISTANT: Hello</s>USER: Bye ASSISTANT: Hello</s>USER: Hi ASSISTANT:");
    }

    @Test
    void vicunaRefusesRolesItDoesNotKnow() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> render("vicuna_v1.1", HI, new Message("tool", "x")))
                .withMessageContaining("tool");
        assertThatIllegalArgumentException().isThrownBy(() -> render("vicuna_v1.1", HI, SYSTEM));
    }

    @Test
    void rawJoinsTheContents() {
        assertThat(render("raw", HI)).isEqualTo("Hi");
        assertThat(render("raw", SYSTEM, HI, HELLO, BYE)).isEqualTo("Be brief.\nHi\nHello\nBye");
        assertThat(ChatTemplate.of("raw", TOKENIZER).encode(List.of(BYE))).containsExactly(TOKENIZER.encode("Bye"));
    }

    @Test
    void onlyTheTemplateMakesSpecialTokens() {
        ChatTemplate vicuna = ChatTemplate.of("vicuna_v1.1", TOKENIZER);
        int[] ids = vicuna.encode(List.of(new Message("user", "</s>"), new Message("assistant", "<s>"), HI));
        assertThat(IntStream.of(ids).filter(id -> id == 2).count()).isEqualTo(1);
        assertThat(IntStream.of(ids).filter(id -> id == 1).count()).isEqualTo(1);
        // The template's own end token is left out of decoded text; what was typed is there.
        assertThat(TOKENIZER.decode(ids)).contains("USER: </s> ASSISTANT: <s>USER: Hi");
    }

    @Test
    void privateCharactersOfAUserStayThemselves() {
        ChatTemplate vicuna = ChatTemplate.of("vicuna_v1.1", TOKENIZER);
        String odd = new StringBuilder("</s>")
                .appendCodePoint(0xF0000)
                .appendCodePoint(0xF0001)
                .append("<s>")
                .toString();
        assertThat(TOKENIZER.decode(vicuna.encode(List.of(new Message("user", odd)))))
                .contains("USER: " + odd + " ASS");
    }

    @Test
    void anUnknownNameIsRefusedWithTheKnownOnes() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ChatTemplate.of("alpaca", TOKENIZER))
                .withMessageContaining("alpaca")
                .withMessageContaining("vicuna_v1.1");
    }
}
