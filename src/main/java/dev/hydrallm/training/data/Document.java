package dev.hydrallm.training.data;

import dev.hydrallm.prompt.Message;
import dev.hydrallm.prompt.Transcript;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** One thing that was read, before it is tokens. */
public sealed interface Document {
    /** Where a piece of a text stands in it. */
    enum Edge {
        BEGIN,
        END
    }

    /**
     * A conversation whose roles alternate, from a user's message on.
     *
     * @param messages perhaps one of the system, then user and assistant by turns
     */
    record Dialogue(List<Message> messages, Transcript.Finish finish) implements Document {
        public Dialogue {
            messages = List.copyOf(messages);
        }
    }

    /**
     * A text that is learnt whole, or a piece of one that is too long to be held; pieces of one text follow each other.
     *
     * @param edges both for a whole text
     */
    record Text(String text, Set<Edge> edges) implements Document {
        /** A whole text. */
        static Text whole(String text) {
            return new Text(text, Set.of(Edge.BEGIN, Edge.END));
        }
    }

    /**
     * A text and how a model went on with it, of which only that is learnt.
     *
     * @param ids what the model read and wrote, where that is known
     */
    record Completion(
            String prompt,
            String completion,
            Transcript.Finish finish,
            @Nullable Ids ids) implements Document {}

    /**
     * A completion's tokens.
     *
     * @param prompt BOS included
     * @param completion with the token that ended it, if one did
     * @param tokenizer digest of the {@code tokenizer.json}
     */
    record Ids(int[] prompt, int[] completion, String tokenizer) {}
}
