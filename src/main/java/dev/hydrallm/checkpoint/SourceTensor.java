package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.TensorView;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * A tensor of a checkpoint, read row by row as single-precision numbers.
 *
 * @param shape one axis for a vector, two for a matrix (rows, columns)
 * @param strides elements from one index to the next, for every axis
 * @param data little-endian elements from the tensor's first one on; every index lies within
 */
record SourceTensor(String name, DType dtype, List<Long> shape, List<Long> strides, MemorySegment data) {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    static SourceTensor of(TensorView view) {
        return new SourceTensor(view.name(), view.dtype(), view.shape(), rowMajor(view.shape()), view.data());
    }

    /** The strides of elements that lie side by side, the last axis fastest. */
    private static List<Long> rowMajor(List<Long> shape) {
        List<Long> strides = new ArrayList<>();
        long stride = 1;
        for (long length : shape.reversed()) {
            strides.addFirst(stride);
            stride *= Math.max(1, length);
        }
        return strides;
    }

    SourceTensor named(String other) {
        return new SourceTensor(other, dtype, shape, strides, data);
    }

    /** A vector as a matrix of one column. */
    SourceTensor asColumn() {
        return new SourceTensor(name, dtype, List.of(shape.getFirst(), 1L), List.of(strides.getFirst(), 1L), data);
    }

    /**
     * Reads a row of a matrix, or a vector as its only row.
     *
     * @throws ModelFormatException when the elements are no floating-point numbers that a weight can be, or not finite
     */
    void readRow(long row, float[] target) {
        long stride = strides.getLast();
        long first = shape.size() == 1 ? 0 : row * strides.getFirst();
        switch (dtype) {
            case F32 -> {
                for (int i = 0; i < target.length; i++) {
                    target[i] = data.get(FLOAT, (first + i * stride) * Float.BYTES);
                }
            }
            case F16 -> {
                for (int i = 0; i < target.length; i++) {
                    target[i] = Float.float16ToFloat(data.get(SHORT, (first + i * stride) * Short.BYTES));
                }
            }
            case BF16 -> {
                for (int i = 0; i < target.length; i++) {
                    target[i] = Float.intBitsToFloat(data.get(SHORT, (first + i * stride) * Short.BYTES) << 16);
                }
            }
            default ->
                throw new ModelFormatException(
                        "tensor " + name + ": weights of type " + dtype + " are not supported; F32, F16 and BF16 are");
        }
        for (float value : target) {
            if (!Float.isFinite(value)) {
                throw new ModelFormatException("tensor " + name + ": a weight of row " + row + " is " + value);
            }
        }
    }
}
