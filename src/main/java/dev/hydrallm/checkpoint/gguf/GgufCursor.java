package dev.hydrallm.checkpoint.gguf;

import dev.hydrallm.model.ModelFormatException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Reads a file's numbers and strings one after the other, never beyond its end or the longest header. */
final class GgufCursor {
    /** Metadata and tensor descriptions of the largest vocabularies fill some 20 MB. */
    static final long LONGEST_HEADER = 64L << 20;

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path path;
    private final MemorySegment file;
    private long position;

    GgufCursor(Path path, MemorySegment file) {
        this.path = path;
        this.file = file;
    }

    /** Bytes read so far. */
    long position() {
        return position;
    }

    byte int8() {
        return file.get(ValueLayout.JAVA_BYTE, advance(Byte.BYTES));
    }

    short int16() {
        return file.get(SHORT, advance(Short.BYTES));
    }

    int int32() {
        return file.get(INT, advance(Integer.BYTES));
    }

    long uint32() {
        return Integer.toUnsignedLong(int32());
    }

    long int64() {
        return file.get(LONG, advance(Long.BYTES));
    }

    /** @throws ModelFormatException when the number does not fit into a long */
    long uint64(String what) {
        long value = int64();
        if (value < 0) {
            throw broken(what + " is " + Long.toUnsignedString(value));
        }
        return value;
    }

    /** How many things follow, of which each fills at least {@code smallest} bytes of what is left of the file. */
    int count(String what, int smallest) {
        long count = uint64(what);
        if (count > (limit() - position) / smallest) {
            throw broken(
                    what + " is " + count + ", more than the " + (limit() - position) + " bytes after it can hold");
        }
        return (int) count;
    }

    /** A length in bytes, and as much UTF-8. */
    String string(String what, int longest) {
        long length = uint64("the length of " + what);
        if (length > longest) {
            throw broken(what + " has " + length + " bytes; at most " + longest + " are allowed");
        }
        byte[] bytes = file.asSlice(advance(length), length).toArray(ValueLayout.JAVA_BYTE);
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new ModelFormatException(path + ": " + what + " is no UTF-8", e);
        }
    }

    ModelFormatException broken(String what) {
        return new ModelFormatException(path + ": " + what);
    }

    private long advance(long bytes) {
        if (bytes > limit() - position) {
            throw broken(
                    limit() < file.byteSize()
                            ? "metadata of more than " + LONGEST_HEADER + " bytes are not read"
                            : "truncated: the header goes on after the file's " + file.byteSize() + " bytes");
        }
        long at = position;
        position += bytes;
        return at;
    }

    private long limit() {
        return Math.min(file.byteSize(), LONGEST_HEADER);
    }
}
