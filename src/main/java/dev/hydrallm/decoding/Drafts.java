package dev.hydrallm.decoding;

/**
 * What the draft heads propose after the last committed token.
 *
 * @param candidates token ids, best first, (heads, ranks); head k guesses the token k + 2 positions after the last
 *     committed one; without drafting (0, 0)
 * @param probabilities what each head gives its candidates, at temperature 1, (heads, ranks)
 */
public record Drafts(int[][] candidates, float[][] probabilities) {
    /** No proposal: the tree is the root alone. */
    public static final Drafts NONE = new Drafts(new int[0][], new float[0][]);
}
