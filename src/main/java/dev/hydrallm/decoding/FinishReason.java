package dev.hydrallm.decoding;

/** Why a sequence ended. */
public enum FinishReason {
    /** The model ended it with an end-of-sequence token, or a stop string was found. */
    STOP,
    /** The limit of tokens, of steps or of the context was reached. */
    LENGTH,
    /** Its owner did not want it any more. */
    CANCELLED
}
