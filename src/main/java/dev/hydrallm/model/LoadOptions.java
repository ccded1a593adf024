package dev.hydrallm.model;

/**
 * How a pack's weights are read; the defaults are what was fastest (docs/performance.md).
 *
 * @param threads threads that read and verify; 0 takes one for each processor, at most {@value #MOST_DEFAULT_THREADS}
 * @param readBytes bytes asked for at once: a multiple of {@value #ALIGNMENT}, at most {@value FileDigest#CHUNK}
 * @param directIo whether the page cache is left out
 */
public record LoadOptions(int threads, int readBytes, DirectIo directIo) {
    /** What a read's place and length are multiples of, so that direct I/O takes them. */
    static final int ALIGNMENT = 4096;

    /** Beyond it neither a disk nor the page cache gives more. */
    public static final int MOST_DEFAULT_THREADS = 16;

    /** Whether reads go past the kernel's page cache. */
    public enum DirectIo {
        /** Through the cache: as fast from a disk, and ten times faster the second time. */
        OFF,
        /** Past it, where the file system can; through it elsewhere. For files that would only push others out. */
        ON
    }

    public static final LoadOptions DEFAULT = new LoadOptions(0, 1 << 20, DirectIo.OFF);

    /** @throws IllegalArgumentException naming what is out of range */
    public LoadOptions {
        if (threads < 0 || threads > 256) {
            throw new IllegalArgumentException(
                    "load threads must be within 1 and 256, or 0 for the processors' number, not " + threads);
        }
        if (readBytes < ALIGNMENT || readBytes > FileDigest.CHUNK || readBytes % ALIGNMENT != 0) {
            throw new IllegalArgumentException("a read must be a multiple of " + ALIGNMENT + " bytes, at most "
                    + FileDigest.CHUNK + ", not " + readBytes);
        }
    }

    /** The threads that there are. */
    public int actualThreads() {
        return threads > 0 ? threads : Math.min(Runtime.getRuntime().availableProcessors(), MOST_DEFAULT_THREADS);
    }
}
