package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.prompt.Message;
import java.util.List;
import java.util.Optional;

/** The port to a model that answers conversations, one at a time. */
public interface Answerer {
    /** Whether drafts are made on the way to an answer. */
    enum Drafting {
        /** As the model usually does. */
        USUAL,
        /** Never: one token a step. */
        NONE
    }

    /**
     * What is asked.
     *
     * @param messages the conversation, a user's message last
     * @param maxTokens most tokens of the answer
     */
    record Question(List<Message> messages, AcceptanceRule rule, Drafting drafting, int maxTokens) {
        public Question {
            messages = List.copyOf(messages);
        }

        /** One that is answered greedily. */
        static Question greedy(String prompt, Drafting drafting, int maxTokens) {
            return new Question(
                    List.of(new Message(Message.USER, prompt)), new AcceptanceRule.Greedy(), drafting, maxTokens);
        }
    }

    /**
     * What came of it.
     *
     * @param ids generated tokens, the one that ended it included
     * @param text without special tokens
     * @param steps verify steps
     * @param seconds from the prompt's first token to the answer's last
     */
    record Answer(int[] ids, String text, int steps, double seconds) {}

    /** Whether it usually drafts at all. */
    boolean drafts();

    /** Answers; empty when the conversation leaves no room for an answer in the model's context. */
    Optional<Answer> answer(Question question);
}
