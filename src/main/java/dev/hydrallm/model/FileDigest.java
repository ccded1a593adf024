package dev.hydrallm.model;

import dev.hydrallm.natives.Sha256;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A file's length and the SHA-256 of each of its chunks, so that several threads can verify it at once: SHA-256 itself goes from
 * front to back. Of a file of one chunk it is what {@code sha256sum} prints.
 *
 * @param bytes the file's length
 * @param chunks digests in lower-case hexadecimal, of {@value #CHUNK} bytes each; the last chunk ends with the file
 */
public record FileDigest(long bytes, List<String> chunks) {
    /** Bytes of a chunk: enough to read at a disk's speed, few enough that a bad one is known soon. */
    public static final int CHUNK = 4 << 20;

    private static final Pattern SHA_256 = Pattern.compile("[0-9a-f]{64}");

    /** @throws IllegalArgumentException when the number of digests is not that of the chunks, or one is no SHA-256 */
    public FileDigest {
        chunks = List.copyOf(chunks);
        if (bytes < 0 || chunks.size() != Math.ceilDiv(bytes, (long) CHUNK)) {
            throw new IllegalArgumentException(chunks.size() + " digests of a file of " + bytes + " bytes");
        }
        for (String chunk : chunks) {
            if (!SHA_256.matcher(chunk).matches()) {
                throw new IllegalArgumentException(chunk + " is no SHA-256 in lower-case hexadecimal");
            }
        }
    }

    /** The digest of a file that is in memory. */
    public static FileDigest of(byte[] content) {
        Recorder recorder = new Recorder();
        recorder.update(content, 0, content.length);
        return recorder.finish();
    }

    /** Where a chunk begins in the file. */
    static long begin(int chunk) {
        return (long) chunk * CHUNK;
    }

    /** The bytes of a chunk. */
    int length(int chunk) {
        return (int) Math.min(CHUNK, bytes - begin(chunk));
    }

    /**
     * Checks the length of a file that was found.
     *
     * @throws ModelFormatException when it is another
     */
    void checkLength(Path file, long found) {
        if (found != bytes) {
            throw new ModelFormatException(file + ": " + (found < bytes ? "truncated" : "too long") + ": it has "
                    + found + " bytes, the manifest says " + bytes + ": pack the model again");
        }
    }

    /**
     * Checks a chunk's digest.
     *
     * @throws ModelFormatException when it is another
     */
    void checkChunk(Path file, int chunk, byte[] sha256) {
        String found = HexFormat.of().formatHex(sha256);
        if (!found.equals(chunks.get(chunk))) {
            throw new ModelFormatException(file + ": SHA-256 of the bytes " + begin(chunk) + " to "
                    + (begin(chunk) + length(chunk) - 1) + " is " + found + ", the manifest says " + chunks.get(chunk)
                    + ": the file is damaged or altered, pack the model again");
        }
    }

    /** Checks a file that is in memory. */
    void check(Path file, byte[] content) {
        checkLength(file, content.length);
        MessageDigest sha256 = Sha256.ofJava();
        for (int chunk = 0; chunk < chunks.size(); chunk++) {
            sha256.update(content, (int) begin(chunk), length(chunk));
            checkChunk(file, chunk, sha256.digest());
        }
    }

    /** Digests a file while it is written. */
    public static final class Recorder {
        private final MessageDigest sha256 = Sha256.ofJava();
        private final List<String> chunks = new ArrayList<>();
        private long bytes;

        /** Takes the file's next bytes. */
        public void update(byte[] source, int from, int length) {
            int done = 0;
            while (done < length) {
                int now = (int) Math.min(length - done, CHUNK - bytes % CHUNK);
                sha256.update(source, from + done, now);
                bytes += now;
                done += now;
                if (bytes % CHUNK == 0) {
                    chunks.add(HexFormat.of().formatHex(sha256.digest()));
                }
            }
        }

        /** The digest of all that was taken. */
        public FileDigest finish() {
            if (bytes % CHUNK != 0) {
                chunks.add(HexFormat.of().formatHex(sha256.digest()));
            }
            return new FileDigest(bytes, chunks);
        }
    }
}
