package dev.hydrallm.model;

/**
 * How a pack's weights are read; the defaults are what was fastest (docs/performance.md).
 *
 * @param threads threads that read and verify; 0 takes as many as {@link #threadsFor} says
 * @param readBytes bytes asked for at once: a multiple of {@value #ALIGNMENT}, at most {@value FileDigest#CHUNK}
 * @param directIo whether the page cache is left out
 */
public record LoadOptions(int threads, int readBytes, DirectIo directIo) {
    /** What a read's place and length are multiples of, so that direct I/O takes them. */
    static final int ALIGNMENT = 4096;

    /** Bytes of a file from which on it is large: a smaller one is there at once, whatever is done. */
    static final long LARGE_FILE = 256 << 20;

    /** Threads for a large file at the least: most of them wait for the disk, which has several reads to do then. */
    static final int LEAST_THREADS = 8;

    /** Beyond it neither a disk nor the page cache gives more. */
    public static final int MOST_DEFAULT_THREADS = 16;

    /** Whether reads go past the kernel's page cache. */
    public enum DirectIo {
        /** Past it for large files on fast disks, where the cache does not hold what is read. */
        AUTO,
        /** Past it, where the file system can; through it elsewhere. */
        ON,
        /** Through it. */
        OFF
    }

    public static final LoadOptions DEFAULT = new LoadOptions(0, 1 << 20, DirectIo.AUTO);

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

    /** The threads for a file: one for each processor unless it was said, and for a large file at least {@value #LEAST_THREADS}. */
    public int threadsFor(long fileBytes) {
        if (threads > 0) {
            return threads;
        }
        int processors = Runtime.getRuntime().availableProcessors();
        return Math.min(MOST_DEFAULT_THREADS, isLarge(fileBytes) ? Math.max(LEAST_THREADS, processors) : processors);
    }

    static boolean isLarge(long fileBytes) {
        return fileBytes >= LARGE_FILE;
    }
}
