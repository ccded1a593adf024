package dev.hydrallm.engine.torch;

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

/** Reads a stored matrix's rows as int8 ones: each is what {@link Int8#encode} makes of the stored weights. Thread-safe. */
@FunctionalInterface
interface Int8Rows {
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
        return (row, codes) -> {
            float[] values = new float[columns];
            MemorySegment.copy(weights, FLOAT, (long) row * columns * Float.BYTES, values, 0, columns);
            return Int8.encode(values, codes);
        };
    }

    private static Int8Rows halves(MemorySegment weights, int columns) {
        return (row, codes) -> {
            short[] halves = shorts(weights, row, columns);
            float[] values = new float[columns];
            for (int i = 0; i < columns; i++) {
                values[i] = Float.float16ToFloat(halves[i]);
            }
            return Int8.encode(values, codes);
        };
    }

    private static Int8Rows int4(Tensors tensors, WeightFormat.Int4 format, int columns) {
        MemorySegment packed = tensors.get("weight");
        MemorySegment scales = tensors.get("scale");
        int groupSize = format.groupSize();
        int groups = columns / groupSize;
        return switch (format.symmetry()) {
            case SYMMETRIC ->
                (row, codes) -> FourBit.toInt8(
                        bytes(packed, row, columns / 2), groupSize, Int4.symmetric(shorts(scales, row, groups)), codes);
            case ASYMMETRIC -> {
                MemorySegment minima = tensors.get("minimum");
                yield (row, codes) -> FourBit.toInt8(
                        bytes(packed, row, columns / 2),
                        groupSize,
                        Int4.asymmetric(shorts(scales, row, groups), shorts(minima, row, groups)),
                        codes);
            }
        };
    }

    private static Int8Rows nf4(Tensors tensors, int columns) {
        MemorySegment packed = tensors.get("weight");
        Nf4.Absmaxes absmaxes = new Nf4.Absmaxes(
                tensors.get("absmax").toArray(ValueLayout.JAVA_BYTE),
                tensors.get("absmax_scale").toArray(FLOAT),
                tensors.get("absmax_mean").get(FLOAT, 0));
        int blocks = columns / Nf4.BLOCK;
        return (row, codes) ->
                FourBit.toInt8(bytes(packed, row, columns / 2), Nf4.BLOCK, Nf4.levels(absmaxes, row * blocks), codes);
    }

    private static byte[] bytes(MemorySegment rows, int row, int length) {
        byte[] bytes = new byte[length];
        MemorySegment.copy(rows, ValueLayout.JAVA_BYTE, (long) row * length, bytes, 0, length);
        return bytes;
    }

    private static short[] shorts(MemorySegment rows, int row, int length) {
        short[] shorts = new short[length];
        MemorySegment.copy(rows, SHORT, (long) row * length * Short.BYTES, shorts, 0, length);
        return shorts;
    }
}
