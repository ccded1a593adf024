package dev.hydrallm.engine;

import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.quantization.Int8;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Reads a stored matrix's rows as int8 ones: each is what {@link Int8#encode} makes of the stored weights. Not thread-safe: it
 * has room for one row.
 */
@FunctionalInterface
public interface Int8Rows {
    ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Reads a row.
     *
     * @param codes where the codes go, (columns)
     * @return the row's scale
     * @throws IllegalArgumentException when a weight is infinite or not a number
     */
    float read(int row, byte[] codes);

    /** The rows of a matrix that is stored as numbers. */
    static Int8Rows of(PackedModel model, PackLayout.Matrix matrix, WeightFormat.Floats format) {
        MemorySegment weights = model.tensor(matrix.name() + ".weight").data();
        int columns = Math.toIntExact(matrix.columns());
        return format.equals(WeightFormat.F16) ? halves(weights, columns) : singles(weights, columns);
    }

    private static Int8Rows singles(MemorySegment weights, int columns) {
        float[] values = new float[columns];
        return (row, codes) -> {
            MemorySegment.copy(weights, FLOAT, (long) row * columns * Float.BYTES, values, 0, columns);
            return Int8.encode(values, codes);
        };
    }

    private static Int8Rows halves(MemorySegment weights, int columns) {
        short[] halves = new short[columns];
        float[] values = new float[columns];
        return (row, codes) -> {
            copyRow(weights, row, halves);
            for (int i = 0; i < columns; i++) {
                values[i] = Float.float16ToFloat(halves[i]);
            }
            return Int8.encode(values, codes);
        };
    }

    private static void copyRow(MemorySegment rows, int row, short[] target) {
        MemorySegment.copy(rows, SHORT, (long) row * target.length * Short.BYTES, target, 0, target.length);
    }
}
