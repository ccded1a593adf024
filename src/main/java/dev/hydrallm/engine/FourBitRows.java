package dev.hydrallm.engine;

import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.quantization.FourBit;
import dev.hydrallm.quantization.Int4;
import dev.hydrallm.quantization.Nf4;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A stored matrix of 4-bit codes, in any of the formats that have such.
 *
 * @param codes (rows, columns / 2), packed as {@link FourBit} says
 * @param groupSize 32, 64 or 128; divides the columns
 * @param levels of all rows' groups, row by row
 */
record FourBitRows(PackLayout.Matrix matrix, MemorySegment codes, int groupSize, FourBit.Levels levels) {

    /**
     * A matrix of a model.
     *
     * @throws IllegalArgumentException when its codes do not have 4 bits
     */
    static FourBitRows of(PackedModel model, PackLayout.Matrix matrix, WeightFormat format) {
        Tensors tensors = Tensors.of(model, matrix);
        return switch (format) {
            case WeightFormat.Int4 int4 ->
                new FourBitRows(matrix, tensors.get("weight"), int4.groupSize(), int4(tensors, int4));
            case WeightFormat.Nf4() -> new FourBitRows(matrix, tensors.get("weight"), Nf4.BLOCK, nf4(tensors));
            case WeightFormat.Floats _, WeightFormat.Int8 _ ->
                throw new IllegalArgumentException(matrix.name() + " has no 4-bit codes");
        };
    }

    /** The bytes of a matrix's stored tensors. */
    @FunctionalInterface
    interface Tensors {
        MemorySegment get(String suffix);

        static Tensors of(PackedModel model, PackLayout.Matrix matrix) {
            return suffix -> model.tensor(matrix.name() + "." + suffix).data();
        }
    }

    private static FourBit.Levels int4(Tensors tensors, WeightFormat.Int4 format) {
        short[] scales = tensors.get("scale").toArray(Int8Rows.SHORT);
        return switch (format.symmetry()) {
            case SYMMETRIC -> Int4.symmetric(scales);
            case ASYMMETRIC -> Int4.asymmetric(scales, tensors.get("minimum").toArray(Int8Rows.SHORT));
        };
    }

    static FourBit.Levels nf4(Tensors tensors) {
        return Nf4.levels(new Nf4.Absmaxes(
                tensors.get("absmax").toArray(ValueLayout.JAVA_BYTE),
                tensors.get("absmax_scale").toArray(Int8Rows.FLOAT),
                tensors.get("absmax_mean").get(Int8Rows.FLOAT, 0)));
    }

    /** Reads its rows as int8 ones. */
    Int8Rows int8() {
        int columns = Math.toIntExact(matrix.columns());
        int groups = columns / groupSize;
        FourBit.Expansion expansion = new FourBit.Expansion(columns, groupSize);
        byte[] packed = new byte[columns / 2];
        return (row, target) -> {
            MemorySegment.copy(codes, ValueLayout.JAVA_BYTE, (long) row * packed.length, packed, 0, packed.length);
            return expansion.toInt8(packed, levels.groups(row * groups, groups), target);
        };
    }
}
