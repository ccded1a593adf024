package dev.hydrallm.evaluation;

/**
 * The port to a model that reads text and says what its base and its draft heads would have guessed at every place. It holds one
 * window of text at a time and reads it from its beginning on, a chunk with each call.
 *
 * <p>Not thread-safe: one thread owns a reader and makes every call.
 */
public interface DraftReader extends AutoCloseable {

    /** The most tokens that one call takes. */
    int chunkSize();

    /** Draft heads, 1 at least. */
    int heads();

    /**
     * Reads tokens that nothing is asked of.
     *
     * @param tokens 1 to {@link #chunkSize} ids
     * @param start tokens of the window that earlier calls have read and that these stand behind; 0 begins a window
     * @param next the token of the text behind them
     * @throws IllegalArgumentException if there are too many tokens or an unknown one
     */
    void read(int[] tokens, int start, int next);

    /**
     * As {@link #read}, and says what is guessed after each of the tokens.
     *
     * @param ranks guesses of each head
     */
    Guesses guesses(int[] tokens, int start, int next, int ranks);

    /** Frees the device's memory. Idempotent. */
    @Override
    void close();

    /**
     * What is guessed after each of some tokens.
     *
     * @param next the base's greedy choice of the token behind each, (tokens)
     * @param drafts the heads' guesses, best first, (heads, tokens, ranks); head k, counted from 0, guesses the token 2 + k places behind
     */
    record Guesses(int[] next, int[][][] drafts) {}
}
