package dev.hydrallm.model;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * A tensor inside a file: row-major, little-endian, readable as long as the file it came from is open.
 *
 * @param shape the lengths of the axes; empty for a scalar
 * @param data exactly the tensor's bytes, not writable
 */
public record TensorView(String name, DType dtype, List<Long> shape, MemorySegment data) {
    public TensorView {
        shape = List.copyOf(shape);
        if (byteSize(dtype, shape) != data.byteSize()) {
            throw new IllegalArgumentException(
                    name + ": " + dtype + " " + shape + " does not fill " + data.byteSize() + " bytes");
        }
    }

    /** The number of elements. */
    public long elements() {
        return data.byteSize() / dtype.bytes();
    }

    /**
     * The bytes that a tensor fills.
     *
     * @throws IllegalArgumentException when a length is negative or the size exceeds a long
     */
    public static long byteSize(DType dtype, List<Long> shape) {
        long size = dtype.bytes();
        for (long length : shape) {
            if (length < 0) {
                throw new IllegalArgumentException("a negative length in the shape " + shape);
            }
            long next = size * length;
            if (Math.multiplyHigh(size, length) != 0 || next < 0) {
                throw new IllegalArgumentException("the shape " + shape + " is too large");
            }
            size = next;
        }
        return size;
    }
}
