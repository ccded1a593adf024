package dev.hydrallm.prompt;

import java.util.List;
import java.util.stream.Collectors;

public final class ChatTemplate {
    public static ChatTemplate of(String text, Tokenizer tokenizer) {
        return new ChatTemplate();
    }

    public String render(List<Message> messages) {
        return messages.stream().map(Message::content).collect(Collectors.joining("\n"));
    }
}
