package dev.hydrallm.engine;

import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.quantization.FourBit;
import dev.hydrallm.quantization.Int4;
import dev.hydrallm.quantization.Int8;
import dev.hydrallm.quantization.Nf4;
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

    /** The rows of a matrix that is stored as anything but int8. */
    static Int8Rows of(PackedModel model, PackLayout.Matrix matrix, WeightFormat format) {
        Tensors tensors = suffix -> model.tensor(matrix.name() + "." + suffix).data();
        int columns = Math.toIntExact(matrix.columns());
        return switch (format) {
            case WeightFormat.Floats floats
            when floats.equals(WeightFormat.F16) -> halves(tensors.get("weight"), columns);
            case WeightFormat.Floats floats -> singles(tensors.get("weight"), columns);
            case WeightFormat.Int4 int4 -> int4(tensors, int4, columns);
            case WeightFormat.Nf4() -> nf4(tensors, columns);
            case WeightFormat.Int8() -> throw new IllegalArgumentException(matrix.name() + " has int8 rows already");
        };
    }

    /** The bytes of a matrix's stored tensors. */
    @FunctionalInterface
    interface Tensors {
        MemorySegment get(String suffix);
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

    private static Int8Rows int4(Tensors tensors, WeightFormat.Int4 format, int columns) {
        MemorySegment weights = tensors.get("weight");
        MemorySegment scales = tensors.get("scale");
        FourBit.Expansion expansion = new FourBit.Expansion(columns, format.groupSize());
        byte[] packed = new byte[columns / 2];
        short[] rowScales = new short[columns / format.groupSize()];
        return switch (format.symmetry()) {
            case SYMMETRIC -> {
                FourBit.Levels levels = Int4.symmetric(rowScales);
                yield (row, codes) -> {
                    copyRow(weights, row, packed);
                    copyRow(scales, row, rowScales);
                    return expansion.toInt8(packed, levels, codes);
                };
            }
            case ASYMMETRIC -> {
                MemorySegment minima = tensors.get("minimum");
                short[] rowMinima = new short[rowScales.length];
                FourBit.Levels levels = Int4.asymmetric(rowScales, rowMinima);
                yield (row, codes) -> {
                    copyRow(weights, row, packed);
                    copyRow(scales, row, rowScales);
                    copyRow(minima, row, rowMinima);
                    return expansion.toInt8(packed, levels, codes);
                };
            }
        };
    }

    private static Int8Rows nf4(Tensors tensors, int columns) {
        MemorySegment weights = tensors.get("weight");
        Nf4.Absmaxes absmaxes = new Nf4.Absmaxes(
                tensors.get("absmax").toArray(ValueLayout.JAVA_BYTE),
                tensors.get("absmax_scale").toArray(FLOAT),
                tensors.get("absmax_mean").get(FLOAT, 0));
        int blocks = columns / Nf4.BLOCK;
        FourBit.Expansion expansion = new FourBit.Expansion(columns, Nf4.BLOCK);
        byte[] packed = new byte[columns / 2];
        return (row, codes) -> {
            copyRow(weights, row, packed);
            return expansion.toInt8(packed, Nf4.levels(absmaxes, row * blocks), codes);
        };
    }

    private static void copyRow(MemorySegment rows, int row, byte[] target) {
        MemorySegment.copy(rows, ValueLayout.JAVA_BYTE, (long) row * target.length, target, 0, target.length);
    }

    private static void copyRow(MemorySegment rows, int row, short[] target) {
        MemorySegment.copy(rows, SHORT, (long) row * target.length * Short.BYTES, target, 0, target.length);
    }
}
