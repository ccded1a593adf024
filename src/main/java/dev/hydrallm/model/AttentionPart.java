package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What a family's attention has beyond Llama's; every decoder layer has it, forked ones too. */
public enum AttentionPart {
    /** A bias of the query, key and value projections. */
    @JsonProperty("qkv_bias")
    QKV_BIAS,
    /** RMSNorm of every query and key head, before rotary embedding. */
    @JsonProperty("qk_norm")
    QK_NORM,
    /** A bias of the output projection. */
    @JsonProperty("o_bias")
    O_BIAS
}
