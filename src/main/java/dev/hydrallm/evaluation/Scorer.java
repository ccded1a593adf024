package dev.hydrallm.evaluation;

/**
 * The port to a model that reads text and says how likely it thought what comes next. It holds one window of text at a
 * time and reads it from its beginning on, a chunk with each call.
 *
 * <p>Not thread-safe: one thread owns a scorer and makes every call.
 */
public interface Scorer extends AutoCloseable {

    /** The most tokens that one call takes, so that there are never many rows as long as the vocabulary. */
    int chunkSize();

    /**
     * Reads tokens that nothing is asked of.
     *
     * @param tokens 1 to {@link #chunkSize} ids
     * @param start tokens of the window that earlier calls have read and that these stand behind; 0 begins a window
     * @throws IllegalArgumentException if there are too many tokens or an unknown one
     */
    void read(int[] tokens, int start);

    /**
     * As {@link #read}, and says what is expected after each of the tokens.
     *
     * @return natural logarithm of every token's probability, (tokens, vocabulary)
     */
    double[][] logProbabilities(int[] tokens, int start);

    /** Frees the device's memory. Idempotent. */
    @Override
    void close();
}
