package dev.hydrallm.cli;

import dev.hydrallm.decoding.TokenSink.Origin;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Plain text, as in a pipe: prompts and answers on one stream, everything else on the other. */
final class SimpleStyle implements ChatStyle {
    /** How a message ends. */
    enum Input {
        ONE_LINE,
        /** At the end of input, which a terminal gives with Ctrl-D as often as one likes. */
        MANY_LINES
    }

    private final BufferedReader in;
    private final PrintStream out;
    private final PrintStream notices;
    private final ChatRoles roles;
    private final Input input;

    SimpleStyle(InputStream in, PrintStream out, PrintStream notices, ChatRoles roles, Input input) {
        this.in = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        this.out = out;
        this.notices = notices;
        this.roles = roles;
        this.input = input;
    }

    @Override
    public Optional<String> read() throws IOException {
        out.print(
                input == Input.ONE_LINE ? roles.question() : roles.question() + "[Ctrl-D on an empty line ends it]\n");
        out.flush();
        @Nullable String line = in.readLine();
        if (line == null || input == Input.ONE_LINE) {
            if (line == null) {
                out.println();
            }
            return Optional.ofNullable(line);
        }
        List<String> lines = new ArrayList<>();
        for (; line != null && !line.equals(ChatSession.EXIT); line = in.readLine()) {
            lines.add(line);
            if (lines.size() == 1 && ChatSession.isCommand(line)) {
                break;
            }
        }
        return Optional.of(lines.isEmpty() ? ChatSession.EXIT : String.join("\n", lines));
    }

    @Override
    public Answer answer() {
        out.print(roles.answer());
        out.flush();
        return new Answer() {
            @Override
            public void onText(String text, Origin origin) {
                out.print(text);
                out.flush();
            }

            @Override
            public void end() {
                out.println();
                out.flush();
            }
        };
    }

    @Override
    public void notice(String line) {
        notices.println(line);
        notices.flush();
    }

    @Override
    public void close() {
        out.flush();
    }
}
