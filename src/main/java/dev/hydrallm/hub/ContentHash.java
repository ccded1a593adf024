package dev.hydrallm.hub;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
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

    /** A digest that makes this hash of the right content, to be fed with its bytes. */
    MessageDigest digest(long size) {
        try {
            if (hex.length() == 64) {
                return MessageDigest.getInstance("SHA-256");
            }
            MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
            sha1.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
            return sha1;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-1 and SHA-256", e);
        }
    }
}
