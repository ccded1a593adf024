package dev.hydrallm.training.data;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.prompt.Transcript;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Documents from JSON objects: ShareGPT's {@code conversations} ({@code from}, {@code value}), OpenAI's {@code messages}
 * ({@code role}, {@code content}), a {@code text}, or a {@code prompt} with its {@code completion}.
 */
final class JsonDocuments {
    private JsonDocuments() {}

    /** Ends the reading of one object. */
    private static final class Dropped extends Exception {
        private static final long serialVersionUID = 1;
        private final Drop reason;

        Dropped(Drop reason) {
            super(reason.words(), null, false, false);
            this.reason = reason;
        }
    }

    static Entry read(JsonNode json, String place) {
        try {
            return new Entry.Found(document(json), place);
        } catch (Dropped e) {
            return new Entry.Bad(e.reason, place);
        }
    }

    private static Document document(JsonNode json) throws Dropped {
        for (String list : List.of("conversations", "messages", "conversation")) {
            if (json.path(list).isArray()) {
                return new Document.Dialogue(turns(json.path(list)), finish(json));
            }
        }
        if (json.path("prompt").isTextual() && json.path("completion").isTextual()) {
            return new Document.Completion(
                    wellFormed(json.path("prompt").textValue()),
                    wellFormed(json.path("completion").textValue()),
                    finish(json),
                    ids(json));
        }
        if (json.path("text").isTextual()) {
            String text = json.path("text").textValue();
            if (text.isEmpty()) {
                throw new Dropped(Drop.EMPTY);
            }
            return Document.Text.whole(wellFormed(text));
        }
        throw new Dropped(Drop.NO_CONVERSATION);
    }

    private static Transcript.Finish finish(JsonNode json) {
        return json.path("finish_reason").asText().equals("length") ? Transcript.Finish.CUT : Transcript.Finish.WHOLE;
    }

    private static Document.@Nullable Ids ids(JsonNode json) {
        JsonNode prompt = json.path("prompt_ids");
        JsonNode completion = json.path("completion_ids");
        if (!prompt.isArray() || !completion.isArray()) {
            return null;
        }
        return new Document.Ids(
                ints(prompt), ints(completion), json.path("tokenizer").asText());
    }

    /** What is no number is no token either. */
    private static int[] ints(JsonNode list) {
        int[] ids = new int[list.size()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = list.get(i).isInt() ? list.get(i).intValue() : -1;
        }
        return ids;
    }

    /** The messages from the user's first on, the system's before it; what an assistant says before is left out. */
    private static List<Message> turns(JsonNode list) throws Dropped {
        List<Message> messages = new ArrayList<>();
        for (JsonNode each : list) {
            messages.add(message(each));
        }
        List<Message> turns = new ArrayList<>();
        if (!messages.isEmpty() && messages.getFirst().role().equals(Message.SYSTEM)) {
            turns.add(messages.removeFirst());
        }
        if (!messages.isEmpty() && messages.getFirst().role().equals(Message.ASSISTANT)) {
            messages.removeFirst();
        }
        for (int i = 0; i < messages.size(); i++) {
            if (!messages.get(i).role().equals(i % 2 == 0 ? Message.USER : Message.ASSISTANT)) {
                throw new Dropped(Drop.ROLES);
            }
        }
        turns.addAll(messages);
        return turns;
    }

    private static Message message(JsonNode json) throws Dropped {
        JsonNode role = json.has("from") ? json.path("from") : json.path("role");
        JsonNode content = json.has("value") ? json.path("value") : json.path("content");
        if (!role.isTextual()) {
            throw new Dropped(Drop.BAD_MESSAGE);
        }
        return new Message(role(role.textValue()), wellFormed(text(content)));
    }

    private static String text(JsonNode content) throws Dropped {
        if (content.isTextual()) {
            return content.textValue();
        }
        if (!content.isArray()) {
            throw new Dropped(Drop.BAD_MESSAGE);
        }
        StringBuilder text = new StringBuilder();
        for (JsonNode part : content) {
            if (!part.path("type").asText().equals("text") || !part.path("text").isTextual()) {
                throw new Dropped(Drop.BAD_MESSAGE);
            }
            text.append(part.path("text").textValue());
        }
        return text.toString();
    }

    private static String role(String name) throws Dropped {
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "human", "user" -> Message.USER;
            case "gpt", "chatgpt", "assistant", "model" -> Message.ASSISTANT;
            case "system" -> Message.SYSTEM;
            default -> throw new Dropped(Drop.UNKNOWN_ROLE);
        };
    }

    /** JSON can hold halves of surrogate pairs, which are no characters: U+FFFD in their place. */
    private static String wellFormed(String text) {
        if (text.codePoints().noneMatch(JsonDocuments::isHalf)) {
            return text;
        }
        int[] points =
                text.codePoints().map(point -> isHalf(point) ? 0xFFFD : point).toArray();
        return new String(points, 0, points.length);
    }

    private static boolean isHalf(int point) {
        return point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE;
    }
}
