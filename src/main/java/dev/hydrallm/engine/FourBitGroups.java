package dev.hydrallm.engine;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.quantization.FourBit;
import dev.hydrallm.quantization.Int4;
import dev.hydrallm.quantization.Nf4;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * What a stored matrix's 4-bit codes stand for, as {@link FourBit.Levels} outside the heap: {@code pattern[code] × factors[group] +
 * offsets[group]}.
 *
 * @param size weights of a group: 32, 64 or 128; divides the columns
 * @param pattern (16), ascending
 * @param type of factors and offsets: F16, where they are the stored ones, or F32
 * @param factors (rows, groups of a row)
 * @param offsets the same; empty where there are none
 */
public record FourBitGroups(
        int size, float[] pattern, DType type, MemorySegment factors, Optional<MemorySegment> offsets) {

    /**
     * Those of a matrix, as soon as they are read.
     *
     * @param memory for factors that are not stored as such
     * @throws IllegalArgumentException when its codes do not have 4 bits
     */
    static FourBitGroups of(PackedModel model, PackLayout.Matrix matrix, WeightFormat format, SegmentAllocator memory) {
        FourBitRows.Tensors tensors = FourBitRows.Tensors.of(model, matrix);
        return switch (format) {
            case WeightFormat.Int4(int size, WeightFormat.Int4.Symmetry symmetry) -> {
                MemorySegment scales = tensors.get("scale");
                yield switch (symmetry) {
                    case SYMMETRIC ->
                        new FourBitGroups(size, Int4.symmetricPattern(), DType.F16, scales, Optional.empty());
                    case ASYMMETRIC -> {
                        MemorySegment minima = tensors.get("minimum");
                        yield new FourBitGroups(size, Int4.asymmetricPattern(), DType.F16, scales, Optional.of(minima));
                    }
                };
            }
            case WeightFormat.Nf4() -> {
                FourBit.Levels levels = FourBitRows.nf4(tensors);
                MemorySegment factors = memory.allocateFrom(ValueLayout.JAVA_FLOAT, levels.factors());
                yield new FourBitGroups(Nf4.BLOCK, levels.pattern(), DType.F32, factors, Optional.empty());
            }
            case WeightFormat.Floats _, WeightFormat.Int8 _ ->
                throw new IllegalArgumentException(matrix.name() + " has no 4-bit codes");
        };
    }
}
