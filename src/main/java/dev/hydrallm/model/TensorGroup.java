package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonProperty;

/** The parts of a model that may be stored in different formats. */
public enum TensorGroup {
    @JsonProperty("embedding")
    EMBEDDING,
    @JsonProperty("layers")
    LAYERS,
    @JsonProperty("lm_head")
    LM_HEAD,
    @JsonProperty("forked_layers")
    FORKED_LAYERS,
    @JsonProperty("heads")
    HEADS
}
