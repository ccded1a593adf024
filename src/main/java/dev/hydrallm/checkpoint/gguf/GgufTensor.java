package dev.hydrallm.checkpoint.gguf;

import dev.hydrallm.quantization.GgmlFormat;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * A tensor inside a GGUF file, readable as long as the file is open.
 *
 * @param shape (rows, columns) or (length), the reverse of the file's order, in which the fastest axis comes first
 * @param data exactly the tensor's blocks
 */
public record GgufTensor(String name, GgmlFormat format, List<Long> shape, MemorySegment data) {
    public GgufTensor {
        shape = List.copyOf(shape);
    }

    /**
     * Reads a row of a matrix, or a vector as its only row.
     *
     * @param target as long as the tensor has columns
     */
    public void readRow(long row, float[] target) {
        long length = (long) target.length / format.elements() * format.bytes();
        byte[] blocks = data.asSlice(row * length, length).toArray(ValueLayout.JAVA_BYTE);
        format.decode(blocks, target);
    }
}
