package dev.hydrallm.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads text strictly: bytes that are not UTF-8 are an error, not replacement characters. */
final class Texts {
    private Texts() {}

    static String read(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new IllegalArgumentException(file + " is a directory, not a text");
        }
        return decode(Files.readAllBytes(file), file.toString());
    }

    static String readStandardInput() throws IOException {
        return decode(System.in.readAllBytes(), "standard input");
    }

    static String decode(byte[] bytes, String source) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(source + " is not valid UTF-8", e);
        }
    }
}
