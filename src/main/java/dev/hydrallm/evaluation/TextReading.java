package dev.hydrallm.evaluation;

import dev.hydrallm.evaluation.SlidingWindows.Window;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/** A text read window by window, by one model or by several side by side. */
final class TextReading {
    private final int[] text;
    private final SlidingWindows windows;
    private final List<Scorer> scorers;
    private final int chunk;

    /** Sees one scored token. */
    @FunctionalInterface
    interface Position {
        /**
         * Looks at what was expected.
         *
         * @param token the token that came
         * @param logProbabilities by model, of every token of the vocabulary, (models, vocabulary)
         */
        void visit(int token, double[]... logProbabilities);
    }

    /** @throws IllegalArgumentException if the text has nothing to score */
    TextReading(int[] text, SlidingWindows windows, Scorer... scorers) {
        if (text.length < 2) {
            throw new IllegalArgumentException(
                    "the text has " + text.length + " token(s), and scoring needs 2: the first is only read");
        }
        this.text = text;
        this.windows = windows;
        this.scorers = List.of(scorers);
        this.chunk = this.scorers.stream().mapToInt(Scorer::chunkSize).min().orElseThrow();
    }

    /** Visits every token but the first, in order; tells {@code done} how many were visited so far. */
    void forEach(Position position, IntConsumer done) {
        for (Window window : windows.over(text.length)) {
            for (int from = window.begin(); from < window.fresh(); from += chunk) {
                int[] tokens = chunk(from, window.fresh());
                int start = from - window.begin();
                scorers.forEach(scorer -> scorer.read(tokens, start));
            }
            for (int from = window.fresh(); from < window.end(); from += chunk) {
                score(chunk(from, window.end()), from, from - window.begin(), position);
                done.accept(Math.min(from + chunk, window.end()));
            }
        }
    }

    private void score(int[] tokens, int from, int start, Position position) {
        List<double[][]> rows = scorers.stream()
                .map(scorer -> scorer.logProbabilities(tokens, start))
                .toList();
        for (int i = 0; i < tokens.length; i++) {
            int row = i;
            position.visit(
                    text[from + row + 1], rows.stream().map(each -> each[row]).toArray(double[][]::new));
        }
    }

    private int[] chunk(int from, int end) {
        return Arrays.copyOfRange(text, from, Math.min(from + chunk, end));
    }
}
