package dev.hydrallm.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * The chunks of a weights file that its header lies in.
 *
 * @param entries what the header says, in the order of the data
 * @param dataBegin where the data begins in the file
 * @param last the last of these chunks
 * @param bytes that chunk's bytes, which may hold the beginning of the data, until the reader's next call
 */
record FirstChunks(List<SafetensorsHeader.Entry> entries, long dataBegin, int last, MemorySegment bytes) {
    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Reads them.
     *
     * @throws ModelFormatException when they are not what the digest says, or the header breaks the format
     */
    static FirstChunks read(Path file, FileDigest digest, ChunkReader reader) {
        if (digest.bytes() < Long.BYTES) {
            throw new ModelFormatException(file + ": " + digest.bytes() + " bytes are no safetensors file");
        }
        MemorySegment chunk = reader.read(0).getFirst();
        long length = SafetensorsHeader.checkedLength(file, chunk.get(LENGTH, 0), digest.bytes() - Long.BYTES);
        byte[] start = new byte[Math.toIntExact(Long.BYTES + length)];
        int last = 0;
        int done = 0;
        while (true) {
            int now = (int) Math.min(chunk.byteSize(), start.length - done);
            MemorySegment.copy(chunk, ValueLayout.JAVA_BYTE, 0, start, done, now);
            done += now;
            if (done == start.length) {
                break;
            }
            chunk = reader.read(++last).getFirst();
        }
        byte[] header = Arrays.copyOfRange(start, Long.BYTES, start.length);
        List<SafetensorsHeader.Entry> entries = SafetensorsHeader.parse(file, header, digest.bytes() - start.length);
        return new FirstChunks(entries, start.length, last, chunk);
    }
}
