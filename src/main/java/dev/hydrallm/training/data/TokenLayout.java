package dev.hydrallm.training.data;

import dev.hydrallm.training.Sha256;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * The head of a token file, and what follows from it. All numbers are little-endian.
 *
 * <pre>
 *   byte   0  8 bytes   HYDRATOK
 *          8  int       version, 1
 *         12  int       bytes of an id: 2 where the vocabulary has 65,536 tokens or fewer, else 4; unsigned
 *         16  long      samples, s
 *         24  long      tokens of all samples, t
 *         32  long      tokens that are labelled
 *         40  int       vocabulary: ids are below it
 *         44  int       tokens of the longest sample
 *         48  32 bytes  SHA-256 of the tokenizer.json
 *         80  32 bytes  fingerprint: SHA-256 of bytes 0 to 79 and of everything behind the head
 *        112  16 bytes  0
 *        128  t ids     sample by sample
 *             t bits    whether a token is labelled: bit i % 8 of byte i / 8
 *             s longs   how many tokens there are up to the end of each sample, at the next multiple of 8
 * </pre>
 *
 * @param tokenizer digest in hexadecimal
 * @param fingerprint in hexadecimal
 */
record TokenLayout(
        long samples, long tokens, long labelled, int vocabulary, int longest, String tokenizer, String fingerprint) {
    static final int HEAD = 128;
    static final int VERSION = 1;

    /** Bytes of the head that the fingerprint covers. */
    private static final int COVERED = 80;

    private static final byte[] MAGIC = "HYDRATOK".getBytes(StandardCharsets.US_ASCII);

    /** Bytes of an id. */
    static int idBytes(int vocabulary) {
        return vocabulary <= 1 << 16 ? 2 : 4;
    }

    long labelsAt() {
        return HEAD + tokens * idBytes(vocabulary);
    }

    long endsAt() {
        return (labelsAt() + Math.ceilDiv(tokens, 8L) + 7) / 8 * 8;
    }

    long bytes() {
        return endsAt() + 8 * samples;
    }

    TokenLayout withFingerprint(String value) {
        return new TokenLayout(samples, tokens, labelled, vocabulary, longest, tokenizer, value);
    }

    /** The whole head. */
    byte[] head() {
        ByteBuffer head = ByteBuffer.allocate(HEAD).order(ByteOrder.LITTLE_ENDIAN);
        head.put(MAGIC)
                .putInt(VERSION)
                .putInt(idBytes(vocabulary))
                .putLong(samples)
                .putLong(tokens)
                .putLong(labelled)
                .putInt(vocabulary)
                .putInt(longest)
                .put(HexFormat.of().parseHex(tokenizer))
                .put(HexFormat.of().parseHex(fingerprint));
        return head.array();
    }

    /** What the fingerprint begins with. */
    MessageDigest digestOfHead() {
        MessageDigest digest = Sha256.digest();
        digest.update(head(), 0, COVERED);
        return digest;
    }

    /**
     * Reads a head.
     *
     * @param file for messages
     * @throws DataFormatException if it is none, or of another version, or contradicts itself
     */
    static TokenLayout read(String file, byte[] bytes) {
        if (bytes.length < HEAD || !begins(bytes)) {
            throw new DataFormatException(file + ": is no token file; make one with: hydra data prepare");
        }
        ByteBuffer head = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int version = head.getInt(8);
        if (version != VERSION) {
            throw new DataFormatException(file + ": is a token file of version " + version + ", this program reads "
                    + VERSION + ": prepare the data again");
        }
        int idBytes = head.getInt(12);
        TokenLayout layout = new TokenLayout(
                head.getLong(16),
                head.getLong(24),
                head.getLong(32),
                head.getInt(40),
                head.getInt(44),
                HexFormat.of().formatHex(bytes, 48, COVERED),
                HexFormat.of().formatHex(bytes, COVERED, 112));
        boolean possible = layout.vocabulary > 0
                && idBytes == idBytes(layout.vocabulary)
                && layout.samples >= 0
                && layout.samples <= Integer.MAX_VALUE
                && layout.tokens >= layout.samples
                && layout.tokens < Long.MAX_VALUE / 8
                && layout.labelled >= 0
                && layout.labelled <= layout.tokens;
        if (!possible) {
            throw new DataFormatException(file + ": its head contradicts itself: prepare the data again");
        }
        return layout;
    }

    /** Whether a file with these first bytes is meant as a token file. */
    static boolean begins(byte[] bytes) {
        return bytes.length >= MAGIC.length && Arrays.equals(bytes, 0, MAGIC.length, MAGIC, 0, MAGIC.length);
    }
}
