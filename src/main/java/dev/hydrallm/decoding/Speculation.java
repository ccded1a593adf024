package dev.hydrallm.decoding;

/**
 * What a request drafts at each step.
 *
 * @param tree the largest tree of heads' guesses of a step; {@link DraftTree#ROOT_ONLY}: no head is asked
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
        HEADS,
        /**
         * As {@link #HEADS}, but where the text goes on as it did before, as far as that pays, what followed there: no head is asked
         * then, so this drafts without any, too.
         */
        ADAPTIVE
    }

    /** A root alone leaves nothing of heads to adapt. */
    public Speculation {
        extent = tree.nodes() == 1 && extent == Extent.HEADS ? Extent.WHOLE : extent;
    }

    /** Plain decoding. */
    public static final Speculation NONE = whole(DraftTree.ROOT_ONLY);

    /** Whether any step drafts. */
    public boolean drafts() {
        return !equals(NONE);
    }

    /** The whole tree at every step. */
    public static Speculation whole(DraftTree tree) {
        return new Speculation(tree, Extent.WHOLE);
    }

    /** At every step as much as pays of the tree, or of what the text foretells. */
    public static Speculation adaptive(DraftTree tree) {
        return new Speculation(tree, Extent.ADAPTIVE);
    }
}
