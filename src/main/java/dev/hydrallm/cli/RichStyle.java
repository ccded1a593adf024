package dev.hydrallm.cli;

import dev.hydrallm.decoding.TokenSink.Origin;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jline.keymap.KeyMap;
import org.jline.reader.Binding;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.Reference;
import org.jline.reader.UserInterruptException;
import org.jline.reader.impl.DefaultParser;
import org.jline.terminal.Terminal;
import org.jline.utils.AttributedString;
import org.jline.utils.AttributedStyle;
import org.jline.utils.InfoCmp.Capability;
import org.jline.utils.Status;
import org.jspecify.annotations.Nullable;

/** A terminal with a line editor, a history, tinted drafts and a status line while an answer grows. */
final class RichStyle implements ChatStyle {
    /** What the Enter key does. */
    enum Enter {
        SENDS,
        /** Alt-Enter sends. */
        BREAKS_THE_LINE
    }

    /** What the mouse does in the line editor. */
    enum Mouse {
        IGNORED,
        MOVES_THE_CURSOR
    }

    private static final AttributedStyle DRAFT = AttributedStyle.DEFAULT.foreground(AttributedStyle.CYAN);
    private static final AttributedStyle QUIET = AttributedStyle.DEFAULT.foreground(AttributedStyle.BRIGHT);
    private static final AttributedStyle ROLE = AttributedStyle.BOLD;
    private static final Pattern CONTROL = Pattern.compile("[\\p{Cntrl}&&[^\\n\\t\\r]]");
    /** Nanoseconds between two looks of the status line. */
    private static final long REFRESH = 100_000_000;

    private final Terminal terminal;
    private final LineReader reader;
    private final ChatRoles roles;
    /** Null where the terminal cannot keep a line apart. */
    private final @Nullable Status status;

    /** Takes over a terminal, which {@link #close} gives back; no history is kept where {@code history} is null. */
    RichStyle(Terminal terminal, @Nullable Path history, ChatRoles roles, Enter enter, Mouse mouse) {
        this.terminal = terminal;
        this.roles = roles;
        DefaultParser parser = new DefaultParser();
        // What is typed goes to a model, not to a shell.
        parser.setEscapeChars(new char[0]);
        parser.setQuoteChars(new char[0]);
        this.reader = LineReaderBuilder.builder()
                .terminal(terminal)
                .appName("hydra")
                .parser(parser)
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                .option(LineReader.Option.MOUSE, mouse == Mouse.MOVES_THE_CURSOR)
                .option(LineReader.Option.HISTORY_IGNORE_SPACE, false)
                .variable(LineReader.SECONDARY_PROMPT_PATTERN, "")
                .build();
        if (history != null) {
            reader.setVariable(LineReader.HISTORY_FILE, history);
        }
        reader.getWidgets().put("break-the-line", () -> {
            reader.getBuffer().write('\n');
            return true;
        });
        KeyMap<Binding> keys = Objects.requireNonNull(reader.getKeyMaps().get(LineReader.MAIN));
        Reference send = new Reference(LineReader.ACCEPT_LINE);
        Reference lineBreak = new Reference("break-the-line");
        keys.bind(enter == Enter.SENDS ? send : lineBreak, "\r", "\n");
        keys.bind(enter == Enter.SENDS ? lineBreak : send, KeyMap.alt('\r'), KeyMap.alt('\n'));
        this.status = canKeepALine(terminal) ? Status.getStatus(terminal) : null;
    }

    /** The history of chats: in the user's folder for state; null when that cannot be made. */
    static @Nullable Path historyFile() {
        String state = System.getenv("XDG_STATE_HOME");
        Path folder = (state == null || state.isEmpty()
                        ? Path.of(System.getProperty("user.home"), ".local", "state")
                        : Path.of(state))
                .resolve("hydra");
        try {
            Files.createDirectories(folder);
            return folder.resolve("chat-history");
        } catch (IOException e) {
            return null;
        }
    }

    private static boolean canKeepALine(Terminal terminal) {
        return terminal.getStringCapability(Capability.change_scroll_region) != null
                && terminal.getStringCapability(Capability.save_cursor) != null
                && terminal.getHeight() > 2;
    }

    /** Calls when the person presses Ctrl-C outside the line editor. */
    void onInterrupt(Runnable action) {
        terminal.handle(Terminal.Signal.INT, signal -> action.run());
    }

    @Override
    public Optional<String> read() {
        while (true) {
            try {
                return Optional.of(reader.readLine(styled(roles.question(), ROLE)));
            } catch (UserInterruptException e) {
                // Ctrl-C clears the line.
            } catch (EndOfFileException e) {
                return Optional.empty();
            }
        }
    }

    @Override
    public Answer answer() {
        print(styled(roles.answer(), ROLE));
        return new Growing();
    }

    /** Counts what it shows. The counts are of pieces of text, nearly tokens; the exact figures come after the answer. */
    private final class Growing implements Answer {
        private final long start = System.nanoTime();
        private long shown;
        private int tokens;
        private int steps;

        @Override
        public void onText(String text, Origin origin) {
            tokens++;
            steps += origin == Origin.BASE ? 1 : 0;
            // A model's text must not command the terminal.
            String harmless = CONTROL.matcher(text).replaceAll("\uFFFD");
            print(origin == Origin.DRAFT ? styled(harmless, DRAFT) : harmless);
            long now = System.nanoTime();
            if (status != null && now - shown > REFRESH) {
                shown = now;
                status.update(List.of(new AttributedString(figures(now), QUIET)));
            }
        }

        private String figures(long now) {
            String line = String.format(
                    Locale.ROOT,
                    "%.0f tokens/s, %.2f tokens/step  (Ctrl-C drops the answer)",
                    tokens * 1e9 / (now - start),
                    (double) tokens / Math.max(1, steps));
            return line.substring(0, Math.min(line.length(), Math.max(1, terminal.getWidth() - 1)));
        }

        @Override
        public void end() {
            if (status != null) {
                status.hide();
            }
            print("\n");
        }
    }

    @Override
    public void notice(String line) {
        print(styled(line, QUIET) + "\n");
    }

    private String styled(String text, AttributedStyle style) {
        return new AttributedString(text, style).toAnsi(terminal);
    }

    private void print(String text) {
        terminal.writer().print(text);
        terminal.writer().flush();
    }

    @Override
    public void close() {
        if (status != null) {
            status.close();
        }
        try {
            terminal.close();
        } catch (IOException e) {
            // The process is about to end; there is nothing left to give back.
        }
    }
}
