package dev.hydrallm.decoding;

/**
 * What a request drafts at each step.
 *
 * @param tree the largest tree of a step; {@link DraftTree#ROOT_ONLY} decodes plainly
 */
public record Speculation(DraftTree tree, Extent extent) {
    /** How much of the tree a step drafts. */
    public enum Extent {
        /** All of it, always: the steps of a seed are the same everywhere. */
        WHOLE,
        /**
         * Those of its nodes that pay, down to none, by how sure the heads are of each and what steps cost on this
         * machine. Only the steps depend on it, never the text; where the text would, by the rule or by a limit of
         * steps, the whole tree is drafted.
         */
        ADAPTIVE
    }

    /** A root alone leaves nothing to adapt. */
    public Speculation {
        extent = tree.nodes() == 1 ? Extent.WHOLE : extent;
    }

    /** Plain decoding. */
    public static final Speculation NONE = whole(DraftTree.ROOT_ONLY);

    /** The whole tree at every step. */
    public static Speculation whole(DraftTree tree) {
        return new Speculation(tree, Extent.WHOLE);
    }

    /** At every step as much of the tree as pays. */
    public static Speculation adaptive(DraftTree tree) {
        return new Speculation(tree, Extent.ADAPTIVE);
    }
}
