package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ConversationTest {
    private static final Conversation TWO =
            Conversation.start("raw", "Be brief.").with("q1", "a1").with("q2", "a2");

    @Test
    void asksWithAllThatWasSaid() {
        assertThat(TWO.ask("q3"))
                .extracting(Message::content)
                .containsExactly("Be brief.", "q1", "a1", "q2", "a2", "q3");
        assertThat(TWO.ask("q3"))
                .extracting(Message::role)
                .containsExactly("system", "user", "assistant", "user", "assistant", "user");
        assertThat(Conversation.start("raw", "").ask("q"))
                .extracting(Message::role)
                .containsExactly("user");
    }

    @Test
    void exchangesGoFromBothEnds() {
        assertThat(TWO.withoutLast().turns()).extracting(Message::content).containsExactly("q1", "a1");
        assertThat(TWO.withoutOldest().turns()).extracting(Message::content).containsExactly("q2", "a2");
        assertThat(TWO.lastQuestion()).contains("q2");
        Conversation empty = TWO.cleared();
        assertThat(empty.lastQuestion()).isEmpty();
        assertThat(empty.withoutLast()).isEqualTo(empty);
        assertThat(empty.withoutOldest()).isEqualTo(empty);
        assertThat(empty.systemMessage()).isEqualTo("Be brief.");
    }

    @Test
    void examplesStay() {
        Conversation withExample = new Conversation("raw", "", TWO.turns(), 2);
        assertThat(withExample.exchanges()).isEqualTo(1);
        assertThat(withExample.withoutOldest().turns())
                .extracting(Message::content)
                .containsExactly("q1", "a1");
        assertThat(withExample.withoutLast()).isEqualTo(withExample.cleared());
        assertThat(withExample.cleared().withoutLast()).isEqualTo(withExample.cleared());
    }

    @Test
    void aSavedConversationComesBack() {
        assertThat(Conversation.fromJson(TWO.toJson())).isEqualTo(TWO);
        Conversation vicuna = Conversation.start("vicuna_v1.1", "").with("q \"1\"\n", "漢");
        assertThat(vicuna.toJson()).contains(ChatTemplate.VICUNA_SYSTEM, "\"USER\"", "\"ASSISTANT\"");
        assertThat(Conversation.fromJson(vicuna.toJson())).isEqualTo(vicuna);
    }

    @Test
    void aFileOfTheSeedIsRead() {
        Conversation read = Conversation.fromJson("""
                {"template_name": "vicuna_v1.1", "system_message": "S", "roles": ["USER", "ASSISTANT"],
                 "messages": [["USER", "q1"], ["ASSISTANT", "a1"], ["USER", "q2"], ["ASSISTANT", null]], "offset": 0}""");
        assertThat(read).isEqualTo(Conversation.start("vicuna_v1.1", "S").with("q1", "a1"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "null",
                "[]",
                "{",
                "{}",
                "{\"template_name\": 1, \"roles\": [\"U\", \"A\"], \"messages\": []}",
                "{\"template_name\": \"raw\", \"roles\": [\"U\"], \"messages\": []}",
                "{\"template_name\": \"raw\", \"roles\": [\"U\", \"U\"], \"messages\": []}",
                "{\"template_name\": \"raw\", \"roles\": [\"U\", \"A\"], \"messages\": 3}",
                "{\"template_name\": \"raw\", \"roles\": [\"U\", \"A\"], \"messages\": [[\"X\", \"q\"]]}",
                "{\"template_name\": \"raw\", \"roles\": [\"U\", \"A\"], \"messages\": [[\"U\", 3]]}",
                "{\"template_name\": \"raw\", \"roles\": [\"U\", \"A\"], \"messages\": [[\"A\", \"a\"], [\"U\", \"q\"]]}",
                "{\"template_name\": \"raw\", \"roles\": [\"U\", \"A\"], \"messages\": [], \"offset\": 2}",
                "{\"template_name\": \"raw\", \"roles\": [\"U\", \"A\"], \"messages\": [], \"offset\": \"x\"}"
            })
    void whatIsNoConversationIsRefused(String json) {
        assertThatIllegalArgumentException().isThrownBy(() -> Conversation.fromJson(json));
    }
}
