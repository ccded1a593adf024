package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What draft layers have beyond Hydra's. */
public enum DraftPart {
    /**
     * A matrix N, (hidden, hidden), by which they read of every token x the one behind it, too: their input at x's place is the base's
     * state there plus N times the embedding of the next token, which the base has chosen by then.
     */
    @JsonProperty("next_token")
    NEXT_TOKEN
}
