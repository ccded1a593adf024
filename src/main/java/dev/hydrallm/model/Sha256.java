package dev.hydrallm.model;

import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256 over memory. */
final class Sha256 {
    private static final int CHUNK = 1 << 18;

    private Sha256() {}

    /** The digest in lower-case hexadecimal. */
    static String of(MemorySegment bytes) {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
        byte[] chunk = new byte[CHUNK];
        MemorySegment target = MemorySegment.ofArray(chunk);
        for (long done = 0; done < bytes.byteSize(); done += CHUNK) {
            int length = (int) Math.min(CHUNK, bytes.byteSize() - done);
            MemorySegment.copy(bytes, done, target, 0, length);
            digest.update(chunk, 0, length);
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
