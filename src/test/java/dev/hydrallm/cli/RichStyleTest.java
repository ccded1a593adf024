package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.cli.RichStyle.Enter;
import dev.hydrallm.cli.RichStyle.Mouse;
import dev.hydrallm.decoding.TokenSink.Origin;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.impl.DumbTerminal;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The rich style on a terminal that is only two streams. */
class RichStyleTest {
    private static final String ESCAPE = "\u001b";

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    private Terminal terminal(String input) throws IOException {
        Terminal terminal =
                new DumbTerminal("test", "xterm-256color", ChatSessionTest.bytes(input), out, StandardCharsets.UTF_8);
        terminal.setSize(new Size(80, 24));
        return terminal;
    }

    private RichStyle style(String input, Enter enter) throws IOException {
        return new RichStyle(terminal(input), null, ChatRoles.of("vicuna_v1.1"), enter, Mouse.IGNORED);
    }

    private String shown() {
        return out.toString(StandardCharsets.UTF_8);
    }

    @Test
    void acceptedDraftsAreTintedAndTheirFiguresShown() throws IOException {
        try (RichStyle style = style("", Enter.SENDS)) {
            ChatStyle.Answer answer = style.answer();
            answer.onText("base", Origin.BASE);
            answer.onText("draft", Origin.DRAFT);
            answer.end();
            style.notice("a notice");
        }
        assertThat(shown())
                .contains("ASSISTANT: ", "base", ESCAPE + "[36mdraft" + ESCAPE, "a notice")
                .containsPattern("tokens/s, [\\d.]+ tokens/step");
    }

    @Test
    void aModelsTextDoesNotCommandTheTerminal() throws IOException {
        try (RichStyle style = style("", Enter.SENDS)) {
            style.answer().onText(ESCAPE + "]0;owned\u0007", Origin.DRAFT);
        }
        assertThat(shown()).contains("\uFFFD]0;owned\uFFFD").doesNotContain(ESCAPE + "]0;");
    }

    @Test
    void linesAreReadAsTheyAreTyped() throws IOException {
        try (RichStyle style = style("print('\\n!!', \"\r\rx" + ESCAPE + "\ry\r", Enter.SENDS)) {
            assertThat(style.read()).contains("print('\\n!!', \"");
            assertThat(style.read()).contains("");
            assertThat(style.read()).contains("x\ny");
            assertThat(style.read()).isEmpty();
        }
    }

    @Test
    void altEnterSendsAMessageOfManyLines() throws IOException {
        try (RichStyle style = style("a\rb" + ESCAPE + "\r", Enter.BREAKS_THE_LINE)) {
            assertThat(style.read()).contains("a\nb");
        }
    }

    @Test
    void theHistoryIsKept(@TempDir Path folder) throws IOException {
        Path history = folder.resolve("history");
        try (RichStyle style = new RichStyle(
                terminal("def f(x):\r"), history, ChatRoles.of("raw"), Enter.SENDS, Mouse.MOVES_THE_CURSOR)) {
            assertThat(style.read()).contains("def f(x):");
        }
        assertThat(Files.readString(history)).contains("def f(x):");
    }

    @Test
    void aWholeChatRunsInIt() throws IOException {
        ChatSessionTest.load();
        try (RichStyle style = style("def add(a, b):\r!!remove\r\r", Enter.SENDS)) {
            ChatSessionTest.session(style, ChatSession.Memory.ALL, "--temperature", "0", "--max-tokens", "12")
                    .run();
        } finally {
            ChatSessionTest.close();
        }
        assertThat(shown()).contains("return", "tokens/step", "The last question and its answer are forgotten.");
    }
}
