package dev.hydrallm.engine;

import dev.hydrallm.engine.DecoderProgram.Rows;

/**
 * What a reader of windows of text may be given.
 *
 * @param window most tokens of a window
 * @param chunk most tokens of a call
 */
record WindowBounds(int window, int vocabulary, int chunk) {

    /**
     * A chunk's rows in slot 0.
     *
     * @param start tokens of the window before them
     * @throws IllegalArgumentException if they are too many, do not fit into the window, or one is unknown
     */
    Rows rows(int[] tokens, int start) {
        if (tokens.length < 1 || tokens.length > chunk) {
            throw new IllegalArgumentException("a chunk holds 1 to " + chunk + " tokens, not " + tokens.length);
        }
        if (start < 0 || start + tokens.length > window) {
            throw new IllegalArgumentException(
                    tokens.length + " tokens behind " + start + " do not fit into a window of " + window);
        }
        ModelEngine.checkTokens(tokens, vocabulary);
        return new Rows(0, start, new RowShape.Run(tokens.length));
    }
}
