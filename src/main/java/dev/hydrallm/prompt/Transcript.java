package dev.hydrallm.prompt;

/**
 * A finished conversation as a model reads it, up to the end of an answer.
 *
 * @param ids of the whole text, BOS included
 * @param answered which of the ids the assistant said, the token that ends its turn included; as many
 */
public record Transcript(int[] ids, boolean[] answered) {
    /** Whether the last answer was said to its end. */
    public enum Finish {
        WHOLE,
        /** It stops where its writer was stopped, so nothing ends its turn. */
        CUT
    }
}
