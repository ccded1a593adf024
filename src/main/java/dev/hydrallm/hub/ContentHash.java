package dev.hydrallm.hub;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * What a hub's etag says of a file's content: of a large file its SHA-256, of one that git holds its name as a git blob,
 * which is the SHA-1 of {@code blob LENGTH\0} and the content.
 *
 * @param hex lower-case hexadecimal digits, 64 or 40
 */
record ContentHash(String hex) {
    private static final Pattern HEX = Pattern.compile("[0-9a-f]{64}|[0-9a-f]{40}");

    ContentHash {
        if (!HEX.matcher(hex).matches()) {
            throw new HubException("the etag " + hex + " is neither a SHA-256 nor a git blob's SHA-1, so that nothing"
                    + " could be verified: is HF_ENDPOINT a hub?");
        }
    }

    /** Reads an {@code ETag}, weak or strong. */
    static ContentHash ofEtag(String header) {
        return new ContentHash(
                header.strip().replaceFirst("^W/", "").replace("\"", "").toLowerCase(Locale.ROOT));
    }

    /** Of a file that a hub is to keep as a large one, its SHA-256. */
    static ContentHash ofLarge(Path file) throws IOException {
        MessageDigest digest = digest("SHA-256");
        byte[] buffer = new byte[1 << 20];
        try (InputStream in = Files.newInputStream(file)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                digest.update(buffer, 0, count);
            }
        }
        return new ContentHash(HexFormat.of().formatHex(digest.digest()));
    }

    /** A digest that makes this hash of the right content, to be fed with its bytes. */
    MessageDigest digest(long size) {
        if (hex.length() == 64) {
            return digest("SHA-256");
        }
        MessageDigest sha1 = digest("SHA-1");
        sha1.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
        return sha1;
    }

    private static MessageDigest digest(String algorithm) {
        try {
            return MessageDigest.getInstance(algorithm);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-1 and SHA-256", e);
        }
    }
}
