package dev.hydrallm.evaluation;

import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.prompt.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/** A prompt's turns as a model reads them, one after the other, each behind its answers to those before. */
final class Dialogue {
    private final PromptSet.Form form;
    private final Tokenizer tokenizer;
    private final ChatTemplate template;
    private final List<Message> messages = new ArrayList<>();

    Dialogue(PromptSet.Form form, Tokenizer tokenizer, ChatTemplate template) {
        this.form = form;
        this.tokenizer = tokenizer;
        this.template = template;
    }

    /** The tokens that the model goes on from. */
    int[] ask(String turn) {
        if (form == PromptSet.Form.TEXT && messages.isEmpty()) {
            messages.add(new Message(Message.USER, turn));
            return tokenizer.encode(turn);
        }
        messages.add(new Message(Message.USER, turn));
        return template.encode(messages);
    }

    void answered(int... tokens) {
        messages.add(new Message(Message.ASSISTANT, tokenizer.decode(tokens)));
    }
}
