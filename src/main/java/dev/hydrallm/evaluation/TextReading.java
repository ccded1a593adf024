package dev.hydrallm.evaluation;

import java.util.List;
import java.util.function.IntConsumer;

/** A text read window by window, by one model or by several side by side. */
final class TextReading {
    private final int[] text;
    private final List<Scorer> scorers;
    private final ChunkedText chunks;

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
        this.text = text;
        this.scorers = List.of(scorers);
        this.chunks = new ChunkedText(
                text,
                windows,
                this.scorers.stream().mapToInt(Scorer::chunkSize).min().orElseThrow());
    }

    /** Visits every token but the first, in order; tells {@code done} how many were visited so far. */
    void forEach(Position position, IntConsumer done) {
        chunks.forEach(
                new ChunkedText.Reader() {
                    @Override
                    public void read(int[] tokens, int start, int from) {
                        scorers.forEach(scorer -> scorer.read(tokens, start));
                    }

                    @Override
                    public void score(int[] tokens, int start, int from) {
                        List<double[][]> rows = scorers.stream()
                                .map(scorer -> scorer.logProbabilities(tokens, start))
                                .toList();
                        for (int i = 0; i < tokens.length; i++) {
                            int row = i;
                            position.visit(
                                    text[from + row + 1],
                                    rows.stream().map(each -> each[row]).toArray(double[][]::new));
                        }
                    }
                },
                done);
    }
}
