package dev.hydrallm.evaluation;

import dev.hydrallm.prompt.Message;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.stream.Collectors;

/** Answers with what a function says, a token a letter, two tokens a step with drafts; conversations of more letters than its context are too long. */
final class FakeAnswerer implements Answerer {
    private final int context;
    private final BiFunction<String, Drafting, String> answers;
    private final List<Question> asked = new ArrayList<>();

    /** @param answers the answer to a conversation's messages, joined by newlines */
    FakeAnswerer(int context, BiFunction<String, Drafting, String> answers) {
        this.context = context;
        this.answers = answers;
    }

    List<Question> asked() {
        return asked;
    }

    @Override
    public boolean drafts() {
        return true;
    }

    @Override
    public Optional<Answer> answer(Question question) {
        String conversation = question.messages().stream().map(Message::content).collect(Collectors.joining("\n"));
        if (conversation.length() >= context) {
            return Optional.empty();
        }
        asked.add(question);
        String text = answers.apply(conversation, question.drafting());
        int[] ids = text.chars().limit(question.maxTokens()).toArray();
        int steps = question.drafting() == Drafting.NONE ? ids.length : (ids.length + 1) / 2;
        return Optional.of(new Answer(ids, text, steps, 0.25));
    }
}
