package dev.hydrallm.evaluation;

import dev.hydrallm.evaluation.SlidingWindows.Window;
import java.util.Arrays;
import java.util.function.IntConsumer;

/** A text cut into what a model takes with each call: window by window, chunk by chunk. */
final class ChunkedText {
    private final int[] text;
    private final SlidingWindows windows;
    private final int chunk;

    /** Takes the chunks of a text, in order. */
    interface Reader {
        /**
         * Takes tokens that nothing is asked of: an earlier window did.
         *
         * @param start tokens of the window before them
         * @param from tokens of the text before them
         */
        void read(int[] tokens, int start, int from);

        /**
         * Takes tokens of which what comes after them is asked.
         *
         * @param start tokens of the window before them
         * @param from tokens of the text before them
         */
        void score(int[] tokens, int start, int from);
    }

    /** @throws IllegalArgumentException if the text has nothing to score */
    ChunkedText(int[] text, SlidingWindows windows, int chunk) {
        if (text.length < 2) {
            throw new IllegalArgumentException(
                    "the text has " + text.length + " token(s), and scoring needs 2: the first is only read");
        }
        this.text = text;
        this.windows = windows;
        this.chunk = chunk;
    }

    /** Scores every token but the last once; tells {@code done} how many were scored so far. */
    void forEach(Reader reader, IntConsumer done) {
        for (Window window : windows.over(text.length)) {
            for (int from = window.begin(); from < window.fresh(); from += chunk) {
                reader.read(chunk(from, window.fresh()), from - window.begin(), from);
            }
            for (int from = window.fresh(); from < window.end(); from += chunk) {
                reader.score(chunk(from, window.end()), from - window.begin(), from);
                done.accept(Math.min(from + chunk, window.end()));
            }
        }
    }

    private int[] chunk(int from, int end) {
        return Arrays.copyOfRange(text, from, Math.min(from + chunk, end));
    }
}
