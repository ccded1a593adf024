package dev.hydrallm.cli;

import dev.hydrallm.serving.GenerationListener;
import java.io.IOException;
import java.util.Optional;

/** How a chat looks: where messages come from and how answers are shown. */
interface ChatStyle extends AutoCloseable {
    /** Shows an answer while it grows. */
    interface Answer extends GenerationListener {
        /** The answer is complete, or was dropped. */
        void end();
    }

    /** The names that {@code --style} takes. */
    enum Name {
        SIMPLE,
        RICH,
        PROGRAMMATIC
    }

    /** What the person says next; empty at the end of input. */
    Optional<String> read() throws IOException;

    /** Begins an answer. */
    Answer answer();

    /** A line that is no part of the conversation. */
    void notice(String line);

    @Override
    void close();
}
