package dev.hydrallm.training;

import java.util.List;
import java.util.stream.IntStream;

/**
 * What was learned of since the last line of the metrics.
 *
 * @param heads sums by head; empty of no steps
 */
record Window(long tokens, double seconds, List<HeadSums> heads) {
    static final Window EMPTY = new Window(0, 0, List.of());

    Window {
        heads = List.copyOf(heads);
    }

    Window plus(long moreTokens, double moreSeconds, List<HeadSums> more) {
        return new Window(tokens + moreTokens, seconds + moreSeconds, heads.isEmpty() ? more : sum(heads, more));
    }

    /** The sums of both, by head. */
    static List<HeadSums> sum(List<HeadSums> one, List<HeadSums> other) {
        return IntStream.range(0, one.size())
                .mapToObj(k -> one.get(k).plus(other.get(k)))
                .toList();
    }
}
