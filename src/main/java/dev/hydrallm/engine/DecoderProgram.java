package dev.hydrallm.engine;

import dev.hydrallm.decoding.DraftShape;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.IntStream;

/**
 * A model's forward passes on one device, with all that they need there: weights, KV caches, and the rows that the draft
 * layers read. {@link ModelEngine} is the {@link dev.hydrallm.decoding.Engine} around it.
 *
 * <p>Made, used and closed on one thread.
 */
public interface DecoderProgram extends AutoCloseable {
    /** Rows that the draft layers read late at once. */
    int UNDRAFTED_ROWS = 128;

    /** Fresh rows of one sequence behind its first {@code start} committed ones. */
    record Rows(int slot, int start, RowShape shape) {}

    /** What heads guess: token ids, best first, and what they give them at temperature 1; (heads, sequences or rows, ranks) each. */
    record Guesses(int[] tokens, float[] probabilities) {
        /** Of no heads. */
        public static final Guesses NONE = new Guesses(new int[0], new float[0]);
    }

    /**
     * Fresh rows for the draft layers.
     *
     * @param rows of the last forward, sequence by sequence
     * @param next the token behind each
     */
    record Accepted(int[] rows, int[] next) {
        /** All rows of the last forward. */
        public static Accepted all(int[] next) {
            return new Accepted(IntStream.range(0, next.length).toArray(), next);
        }

        /** All rows of the last forward, which were a run of tokens that this one stands behind. */
        public static Accepted run(int[] tokens, int next) {
            int[] shifted = Arrays.copyOfRange(tokens, 1, tokens.length + 1);
            shifted[tokens.length - 1] = next;
            return all(shifted);
        }
    }

    /** What to choose: nothing, or the tokens after the rows from {@code from} on. */
    record Choice(int from, Selection selection) {}

    /**
     * One forward over fresh rows.
     *
     * @param ids token of each row
     * @return for each row chosen after: token and score; the score is NaN where the logits choose nothing, for they are infinite or
     *     no numbers
     */
    double[] verify(int[] ids, List<Rows> rows, Choice choice);

    /**
     * One forward over fresh rows of one sequence.
     *
     * @return natural logarithm of the probability of every token after each row, (rows * vocabulary)
     */
    double[] logProbabilities(int[] ids, Rows rows);

    /** The base's logits after a run of tokens in an empty slot 0, (vocabulary). */
    float[] logits(int[] ids);

    /**
     * Every head's logits after the run of tokens that {@link #logits} was called with, (heads * vocabulary).
     *
     * @param next the token behind each of them
     */
    float[] headLogits(int[] next);

    /** Moves the cache rows of a verified path to where the committed rows end. */
    void keep(int slot, int start, int[] path);

    /**
     * Runs the draft layers over rows of the last forward, and the heads over the last of each sequence.
     *
     * @param rows the accepted rows as the caches take them
     * @param wanted of no more heads than the model has; with none the layers run alone
     * @return of each sequence
     */
    Guesses draft(Accepted accepted, List<Rows> rows, DraftShape wanted);

    /**
     * As {@link #draft} over all rows of the last forward, which were one sequence's, but with the heads over each of them.
     *
     * @param next the token behind each of them
     * @param rows those rows as the cache takes them
     * @return of each row
     */
    Guesses draftEach(int[] next, Rows rows, DraftShape wanted);

    /** Rows of a slot that can wait for the draft layers. */
    default int mostUndraftedRows() {
        return UNDRAFTED_ROWS;
    }

    /**
     * Puts a row of the last forward aside, for {@link #draftLate}.
     *
     * @param place rows of the slot that wait already
     */
    void putAside(int slot, int place, int row);

    /**
     * As {@link #draft}, over the rows that were put aside first.
     *
     * @param next the token behind each of them
     * @param rows those rows as the cache takes them
     */
    Guesses draftLate(int[] next, Rows rows, DraftShape wanted);

    /** Time spent inside the device's programs so far, ns. */
    long busyNanos();

    /** See {@link dev.hydrallm.decoding.Engine#deviceNanos}. */
    default OptionalLong deviceNanos() {
        return OptionalLong.empty();
    }

    /** Frees the device's memory. Idempotent. */
    @Override
    void close();
}
