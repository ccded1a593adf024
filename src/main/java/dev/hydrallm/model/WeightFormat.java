package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonProperty;

/** How the matrices of a tensor group are stored. Norms, biases and scales are F32 in every format. */
public enum WeightFormat {
    @JsonProperty("f32")
    F32(DType.F32),
    @JsonProperty("f16")
    F16(DType.F16),
    /** Signed codes beside one F32 scale per output row: weight = code × scale. */
    @JsonProperty("int8")
    INT8(DType.I8);

    private final DType dtype;

    WeightFormat(DType dtype) {
        this.dtype = dtype;
    }

    /** The element type of the stored matrix. */
    public DType dtype() {
        return dtype;
    }
}
