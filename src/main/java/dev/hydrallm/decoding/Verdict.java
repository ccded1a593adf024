package dev.hydrallm.decoding;

/**
 * What the base model says of one sequence's verified nodes.
 *
 * @param next the token the rule chooses after each node, (nodes)
 * @param scores log p of a node under its parent where the typical rule lets it stay, else negative infinity, (nodes);
 *     empty for the other rules
 */
public record Verdict(int[] next, float[] scores) {}
