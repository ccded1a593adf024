package dev.hydrallm.training.data;

import dev.hydrallm.prompt.Message;
import dev.hydrallm.prompt.Transcript;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The port to a model that answers. Any number of threads may ask at once; each waits for its answer. */
public interface Generator {
    /**
     * What a model said.
     *
     * @param ids what it read and wrote, where that is known
     */
    record Answer(String text, Transcript.Finish finish, Document.@Nullable Ids ids) {}

    /** This document cannot be answered; others can. */
    final class RefusedException extends RuntimeException {
        private static final long serialVersionUID = 1;

        public RefusedException(String message, Throwable cause) {
            super(message, cause);
        }

        public RefusedException(String message) {
            super(message);
        }
    }

    /** The model's name. */
    String model();

    /**
     * Answers the last of the messages.
     *
     * @param number of the document, so that a seed can be made of it
     * @throws RefusedException if there is no answer to this
     */
    Answer answer(List<Message> messages, long number);

    /**
     * Goes on with a text.
     *
     * @param ids of the text, BOS included
     * @throws RefusedException if there is no answer to this
     */
    Answer complete(String text, int[] ids, long number);
}
