package dev.hydrallm.cli;

import dev.hydrallm.decoding.TokenSink.Origin;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** For programs that talk: messages of any lines, each ended by {@link #END}, echoed; every turn marked with its role. */
final class ProgrammaticStyle implements ChatStyle {
    /** What ends a message. */
    static final String END = " __END_OF_A_MESSAGE_47582648__\n";

    private static final String USER = "[!OP:USER]: ";
    private static final String ASSISTANT = "[!OP:ASSISTANT]: ";

    private final BufferedReader in;
    private final PrintStream out;
    private final PrintStream notices;

    ProgrammaticStyle(InputStream in, PrintStream out, PrintStream notices) {
        this.in = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
        this.out = out;
        this.notices = notices;
    }

    @Override
    public Optional<String> read() throws IOException {
        StringBuilder message = new StringBuilder();
        for (int c = in.read(); c >= 0; c = in.read()) {
            message.append((char) c);
            int end = message.length() - END.length();
            if (c == '\n' && end >= 0 && message.indexOf(END, end) == end) {
                message.setLength(end);
                print(USER + message + "\n");
                return Optional.of(message.toString());
            }
        }
        return Optional.empty();
    }

    @Override
    public Answer answer() {
        print(ASSISTANT);
        return new Answer() {
            @Override
            public void onText(String text, Origin origin) {
                print(text);
            }

            @Override
            public void end() {
                print("\n");
            }
        };
    }

    private void print(String text) {
        out.print(text);
        out.flush();
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
