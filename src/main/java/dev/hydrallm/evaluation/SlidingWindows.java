package dev.hydrallm.evaluation;

import java.util.ArrayList;
import java.util.List;

/**
 * How a text that is longer than a model's context is cut: each window begins {@code stride} tokens behind the one
 * before, and of what it predicts only that is scored which none before it did. So every token but the first is scored
 * once, and all behind the first window have at least {@code size - stride + 1} tokens before them to be judged by.
 *
 * <p>This is <a href="https://huggingface.co/docs/transformers/perplexity">Hugging Face's recipe</a>, with windows
 * counted in tokens that the model reads: the last token of each is predicted and not read.
 *
 * @param size most tokens that the model reads in one window
 * @param stride how far a window moves, within 1 and the size
 */
public record SlidingWindows(int size, int stride) {

    /** Tokens {@code [begin, end)} of a text are read, and those after {@code fresh .. end - 1} are scored. */
    record Window(int begin, int fresh, int end) {}

    /** @throws IllegalArgumentException naming what is out of its bounds */
    public SlidingWindows {
        if (size < 1) {
            throw new IllegalArgumentException("a window must hold at least 1 token, not " + size);
        }
        if (stride < 1 || stride > size) {
            throw new IllegalArgumentException(
                    "the stride must be within 1 and the window's " + size + " tokens, not " + stride);
        }
    }

    /** The tokens of the longest window of a text of so many tokens, 2 at least. */
    public int sizeFor(int tokens) {
        return Math.min(size, tokens - 1);
    }

    /** The windows of a text of so many tokens. */
    List<Window> over(int tokens) {
        int read = tokens - 1;
        List<Window> windows = new ArrayList<>();
        int fresh = 0;
        for (int begin = 0; fresh < read; begin += stride) {
            int end = Math.min(begin + size, read);
            windows.add(new Window(begin, fresh, end));
            fresh = end;
        }
        return windows;
    }
}
