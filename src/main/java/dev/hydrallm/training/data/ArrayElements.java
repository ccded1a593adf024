package dev.hydrallm.training.data;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The elements of a JSON array in UTF-8 as they stand in the file, told apart by nothing but quotes, brackets and commas, so that one
 * that is no JSON does not hide those behind it. A string that is not closed cannot be helped: what was text is then taken for
 * brackets and the other way round.
 */
final class ArrayElements {
    private static final int DEEPEST = 1 << 20;

    private final Path file;
    private final InputStream in;
    private final int longest;
    private final StringBuilder open = new StringBuilder();
    private ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private long at;
    private long begin;
    private boolean first = true;
    private boolean ended;

    /**
     * An element.
     *
     * @param begin byte of the file that it begins at, white space included
     * @param bytes of one that is too long, one more than {@code longest}
     */
    record Element(long begin, byte[] bytes) {
        boolean isBlank() {
            for (byte each : bytes) {
                if ((each & 0xff) > ' ') {
                    return false;
                }
            }
            return true;
        }
    }

    /**
     * Of a stream before an array's bracket.
     *
     * @param at where in the file that is, bytes
     * @param longest most bytes of an element
     */
    ArrayElements(Path file, InputStream in, long at, int longest) throws IOException {
        this.file = file;
        this.in = in;
        this.at = at;
        this.longest = longest;
        if (read() != '[') {
            throw new IllegalArgumentException("no array begins there");
        }
        begin = this.at;
    }

    /**
     * The next element; empty at the array's end.
     *
     * @throws DataFormatException when the file ends before, or an element has no end
     */
    Optional<Element> next() throws IOException {
        if (ended) {
            return Optional.empty();
        }
        while (true) {
            int b = read();
            if (open.isEmpty() && (b == ',' || b == ']')) {
                ended = b == ']';
                Element element = new Element(begin, bytes.toByteArray());
                begin = at;
                bytes = new ByteArrayOutputStream();
                if (ended && element.isBlank() && first) {
                    return Optional.empty();
                }
                first = false;
                return Optional.of(element);
            }
            take(b);
            switch (b) {
                case '"' -> string();
                case '[', '{' -> open(b);
                case ']', '}' -> close(b);
                default -> {}
            }
        }
    }

    private int read() throws IOException {
        int b = in.read();
        if (b < 0) {
            throw new DataFormatException(file + ": the array is not closed at byte " + at
                    + (open.isEmpty() ? "" : ", nor its element that begins at byte " + begin)
                    + ": is the file whole?");
        }
        at++;
        return b;
    }

    private void take(int b) {
        if (bytes.size() <= longest) {
            bytes.write(b);
        }
    }

    /** The rest of a string; what follows a backslash does not end it. */
    private void string() throws IOException {
        int b;
        do {
            b = taken();
            if (b == '\\') {
                taken();
            }
        } while (b != '"');
    }

    private int taken() throws IOException {
        int b = read();
        take(b);
        return b;
    }

    private void open(int bracket) {
        if (open.length() == DEEPEST) {
            throw new DataFormatException(
                    file + ": more than " + DEEPEST + " brackets in each other at byte " + (at - 1));
        }
        open.append((char) bracket);
    }

    /** Closes what was opened last by such a bracket, and what was not closed within it; one too many closes nothing. */
    private void close(int bracket) {
        int opened = open.lastIndexOf(bracket == ']' ? "[" : "{");
        if (opened >= 0) {
            open.setLength(opened);
        } else if (bracket == ']') {
            throw new DataFormatException(file + ": the array ends at byte " + (at - 1)
                    + " before its element that begins at byte " + begin + " is closed");
        }
    }
}
