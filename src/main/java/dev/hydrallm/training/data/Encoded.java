package dev.hydrallm.training.data;

import dev.hydrallm.prompt.Transcript;
import java.util.List;
import java.util.Set;

/** What became of a document: tokens, before they are cut to a length. */
sealed interface Encoded {
    /** Each is a sample, or several of them share one. */
    record Samples(List<Transcript> samples) implements Encoded {}

    /** A text's tokens, all of which are learnt. */
    record Stream(int[] ids, Set<Document.Edge> edges) implements Encoded {}

    /** Nothing. */
    record Dropped(Drop reason) implements Encoded {}
}
