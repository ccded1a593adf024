package dev.hydrallm.decoding;

/** Receives a sequence's tokens as its steps emit them, on the decoding thread. */
@FunctionalInterface
public interface TokenSink {
    /** Where a token comes from. */
    enum Origin {
        /** The base model's own choice: the root of a step. */
        BASE,
        /** A draft that the base model confirmed. */
        DRAFT
    }

    /** Whether the text needs more tokens. */
    enum Demand {
        MORE,
        /** A stop string is complete: the sequence ends with this token. */
        STOP
    }

    /** Takes one token; an end-of-sequence token is not shown. */
    Demand accept(int token, Origin origin);
}
