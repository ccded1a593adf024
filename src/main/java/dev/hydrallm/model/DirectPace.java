package dev.hydrallm.model;

/**
 * Whether reading a file past the page cache pays: it saves the processors work, for which a slow disk leaves them time anyway, and
 * leaves nothing in the cache, from which the next start would be much faster than from a slow disk. Thread-safe.
 */
final class DirectPace {
    /** Bytes per nanosecond, GB/s, below which a disk is slow: through the page cache it is read here at 0.7 at the least. */
    private static final double SLOW = 0.5;

    /** Bytes that are read before it is judged. */
    private static final long FIRST = 128 << 20;

    private final int threads;
    private long bytes;
    private long nanoseconds;

    /** @param threads that read at once */
    DirectPace(int threads) {
        this.threads = threads;
    }

    /** Adds a read. */
    synchronized void add(long read, long took) {
        bytes += read;
        nanoseconds += took;
    }

    /** Whether the disk is fast, as far as is known. */
    synchronized boolean pays() {
        return bytes < FIRST || (double) bytes * threads / nanoseconds >= SLOW;
    }
}
