package dev.hydrallm.decoding;

/** The two ways through a verified tree. */
final class TreeWalk {
    private TreeWalk() {}

    /** From the root, on to the child that holds the token chosen at the current node, until there is none. */
    static int[] alongChosenTokens(DraftTree tree, int[] tokens, int[] chosen) {
        int last = 0;
        // Children stand behind their parents, so one pass over the nodes follows the whole path.
        for (int node = 1; node < tree.nodes(); node++) {
            if (tree.parent(node) == last && tokens[node] == chosen[last]) {
                last = node;
            }
        }
        return pathTo(tree, last);
    }

    /**
     * The longest path of acceptable nodes; among equally long ones the larger sum of scores, on an exact tie the later
     * one in node order.
     *
     * @param scores log p of a node that may stay, negative infinity of one that may not; the root's is not read
     */
    static int[] longestAcceptable(DraftTree tree, float[] scores) {
        float[] sums = new float[tree.nodes()];
        int best = 0;
        for (int node = 1; node < tree.nodes(); node++) {
            sums[node] = sums[tree.parent(node)] + scores[node];
            boolean acceptable = sums[node] != Float.NEGATIVE_INFINITY;
            if (acceptable && (tree.depth(node) > tree.depth(best) || sums[node] >= sums[best])) {
                best = node;
            }
        }
        return pathTo(tree, best);
    }

    private static int[] pathTo(DraftTree tree, int last) {
        int[] path = new int[tree.depth(last) + 1];
        for (int node = last; node >= 0; node = tree.parent(node)) {
            path[tree.depth(node)] = node;
        }
        return path;
    }
}
