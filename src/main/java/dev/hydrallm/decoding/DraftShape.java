package dev.hydrallm.decoding;

/**
 * How many guesses are wanted of the draft heads, each of which costs a language-model head's pass.
 *
 * @param heads the first so many heads, or all there are if that is fewer
 * @param ranks candidates of each; 0: none are wanted
 */
public record DraftShape(int heads, int ranks) {
    /** No guesses. */
    public static final DraftShape NONE = new DraftShape(0, 0);

    /** What fills a tree. */
    static DraftShape of(DraftTree tree) {
        return new DraftShape(tree.depth(), tree.width());
    }

    /** So many candidates of every head. */
    public static DraftShape ofAll(int ranks) {
        return new DraftShape(Integer.MAX_VALUE, ranks);
    }

    /** Enough for both. */
    public DraftShape and(DraftShape other) {
        return new DraftShape(Math.max(heads, other.heads), Math.max(ranks, other.ranks));
    }
}
