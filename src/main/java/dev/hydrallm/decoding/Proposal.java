package dev.hydrallm.decoding;

/**
 * What a step drafts.
 *
 * @param candidates what fills the tree: token ids by depth, from 1 on, and rank
 */
record Proposal(DraftTree tree, int[][] candidates) {
    /** The tokens of the tree's nodes. */
    int[] tokens(int root) {
        int[] tokens = new int[tree.nodes()];
        tokens[0] = root;
        for (int node = 1; node < tokens.length; node++) {
            tokens[node] = candidates[tree.depth(node) - 1][tree.rank(node)];
        }
        return tokens;
    }
}
