package dev.hydrallm.training.data;

import dev.hydrallm.prompt.Transcript;
import java.io.IOException;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;

/**
 * Cuts and joins tokens to samples of at most so many. What shares a sample stands one after the other in it, and so is seen by what
 * comes later, related or not. Not thread-safe.
 */
final class Windows {
    /** What may share a sample. */
    enum Packing {
        NOTHING,
        TEXTS,
        ALL
    }

    /** A head foretells a token that stands two or more behind the one it is at. */
    private static final int SHORTEST = 3;

    private final TokenFileWriter out;
    private final Packing packing;
    private final int[] ids;
    private final boolean[] labelled;
    private int filled;
    private final Map<Drop, Long> dropped = new EnumMap<>(Drop.class);
    private long truncated;

    Windows(TokenFileWriter out, Packing packing, int maxLength) {
        this.out = out;
        this.packing = packing;
        this.ids = new int[maxLength];
        this.labelled = new boolean[maxLength];
    }

    /** Adds a sample, which is cut at the length; with {@link Packing#ALL} behind others as long as there is room. */
    void add(Transcript sample) throws IOException {
        int length = Math.min(sample.ids().length, ids.length);
        truncated += length < sample.ids().length ? 1 : 0;
        while (length > 0 && !sample.answered()[length - 1]) {
            length--; // nothing is learnt from what comes after the last label
        }
        if (length == 0 || !learnable(sample.answered(), length)) {
            dropped.merge(length == 0 || length >= SHORTEST ? Drop.NO_LABEL : Drop.TOO_SHORT, 1L, Long::sum);
            return;
        }
        if (packing != Packing.ALL || filled + length > ids.length) {
            flush();
        }
        System.arraycopy(sample.ids(), 0, ids, filled, length);
        System.arraycopy(sample.answered(), 0, labelled, filled, length);
        filled += length;
        if (packing != Packing.ALL) {
            flush(); // nor does a text share its sample
        }
    }

    /** Adds tokens that are all learnt and may be cut anywhere. */
    void add(int[] stream, Set<Document.Edge> edges) throws IOException {
        if (packing == Packing.NOTHING && edges.contains(Document.Edge.BEGIN)) {
            flush();
        }
        for (int at = 0; at < stream.length; ) {
            if (filled == ids.length) {
                flush();
            }
            int now = Math.min(ids.length - filled, stream.length - at);
            System.arraycopy(stream, at, ids, filled, now);
            Arrays.fill(labelled, filled, filled + now, true);
            filled += now;
            at += now;
        }
    }

    /** Writes what waits for more. */
    void flush() throws IOException {
        if (filled > 0 && learnable(labelled, filled)) {
            out.add(Arrays.copyOf(ids, filled), Arrays.copyOf(labelled, filled));
        } else if (filled > 0) {
            dropped.merge(Drop.TOO_SHORT, 1L, Long::sum);
        }
        filled = 0;
    }

    private static boolean learnable(boolean[] labelled, int length) {
        for (int i = SHORTEST - 1; i < length; i++) {
            if (labelled[i]) {
                return true;
            }
        }
        return false;
    }

    /** Samples that were cut at the length. */
    long truncated() {
        return truncated;
    }

    Map<Drop, Long> dropped() {
        return dropped;
    }
}
