package dev.hydrallm.decoding;

/**
 * What the base model says of one sequence's verified nodes.
 *
 * @param next the token the rule chooses after each node, (nodes); {@link #NONE} where the logits choose nothing
 * @param scores log p of a node under its parent where the typical rule lets it stay, else negative infinity, (nodes);
 *     empty for the other rules
 */
public record Verdict(int[] next, float[] scores) {
    /** No token: the model computed what is infinite or not a number. */
    public static final int NONE = -1;
}
