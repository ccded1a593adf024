package dev.hydrallm.training.data;

import dev.hydrallm.prompt.Message;
import dev.hydrallm.training.Sha256;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** What is asked of a model for a document. */
sealed interface Question {
    /** The same for the same document at the same place. */
    String id();

    /** Of the document. */
    long number();

    /** Questions one after the other, all but the answers. */
    record Turns(String id, long number, List<Message> messages) implements Question {}

    /** A text's beginning, and its tokens. */
    record Beginning(String id, long number, String text, int[] ids) implements Question {}

    /**
     * What a document asks; empty if that is nothing.
     *
     * @param continuation of texts; without it conversations ask
     */
    static Optional<Question> of(Document document, long number, Optional<Distillation.Continuation> continuation) {
        if (continuation.isPresent()) {
            return document instanceof Document.Text text && text.edges().contains(Document.Edge.BEGIN)
                    ? beginning(text.text(), continuation.get(), number)
                    : Optional.empty();
        }
        if (!(document instanceof Document.Dialogue dialogue)
                || dialogue.messages().stream()
                        .noneMatch(message -> message.role().equals(Message.USER))) {
            return Optional.empty();
        }
        List<Message> asked = dialogue.messages().stream()
                .filter(message -> !message.role().equals(Message.ASSISTANT))
                .toList();
        return Optional.of(new Turns(id(number, asked.toString()), number, asked));
    }

    private static Optional<Question> beginning(String text, Distillation.Continuation wanted, long number) {
        int[] all = wanted.tokenizer().encode(text);
        int[] ids = Arrays.copyOf(all, Math.min(all.length, wanted.tokens()));
        String given = wanted.tokenizer().decode(ids);
        return given.isEmpty()
                ? Optional.empty()
                : Optional.of(new Beginning(id(number, Arrays.toString(ids)), number, given, ids));
    }

    /** The same document at the same place has the same. */
    private static String id(long number, String content) {
        return number + "-"
                + Sha256.hex(content.getBytes(StandardCharsets.UTF_8)).substring(0, 12);
    }
}
