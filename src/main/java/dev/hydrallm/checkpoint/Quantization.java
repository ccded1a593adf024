package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.WeightFormat;

/** How the matrices of a checkpoint are stored when it is packed. */
public enum Quantization {
    /** As they are: F16 stays F16; F32 stays F32, and BF16 becomes F32, which holds it exactly. */
    NONE,
    /** Signed 8-bit codes with one scale for each output. */
    INT8;

    WeightFormat formatOf(DType source) {
        if (this == INT8) {
            return WeightFormat.INT8;
        }
        return source == DType.F16 ? WeightFormat.F16 : WeightFormat.F32;
    }
}
