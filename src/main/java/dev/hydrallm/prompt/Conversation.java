package dev.hydrallm.prompt;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A dialogue: questions of a user, each with its answer, after perhaps a system message. Immutable; every change is a new
 * conversation.
 *
 * @param templateName the chat template it is held with
 * @param systemMessage empty for the template's own
 * @param turns user and assistant by turns
 * @param offset turns at the beginning that are examples: they are never removed
 */
public record Conversation(String templateName, String systemMessage, List<Message> turns, int offset) {
    private static final JsonMapper JSON = new JsonMapper();

    public Conversation {
        turns = List.copyOf(turns);
        for (int i = 0; i < turns.size(); i++) {
            String expected = i % 2 == 0 ? Message.USER : Message.ASSISTANT;
            if (!turns.get(i).role().equals(expected)) {
                throw new IllegalArgumentException("message " + (i + 1) + " is not from " + expected);
            }
        }
        if (turns.size() % 2 != 0) {
            throw new IllegalArgumentException("the last question has no answer");
        }
        if (offset < 0 || offset > turns.size() || offset % 2 != 0) {
            throw new IllegalArgumentException("offset " + offset + " does not fit " + turns.size() + " messages");
        }
    }

    /** A conversation in which nothing was said yet. */
    public static Conversation start(String templateName, String systemMessage) {
        return new Conversation(templateName, systemMessage, List.of(), 0);
    }

    /** What the model is given to answer a question. */
    public List<Message> ask(String question) {
        List<Message> messages = new ArrayList<>();
        if (!systemMessage.isEmpty()) {
            messages.add(new Message(Message.SYSTEM, systemMessage));
        }
        messages.addAll(turns);
        messages.add(new Message(Message.USER, question));
        return messages;
    }

    /** With one more exchange. */
    public Conversation with(String question, String answer) {
        List<Message> longer = new ArrayList<>(turns);
        longer.add(new Message(Message.USER, question));
        longer.add(new Message(Message.ASSISTANT, answer));
        return withTurns(longer);
    }

    /** The last question; empty when there is none but the examples. */
    public Optional<String> lastQuestion() {
        return exchanges() == 0
                ? Optional.empty()
                : Optional.of(turns.get(turns.size() - 2).content());
    }

    /** Exchanges besides the examples. */
    public int exchanges() {
        return (turns.size() - offset) / 2;
    }

    /** Without the last exchange. */
    public Conversation withoutLast() {
        return exchanges() == 0 ? this : withTurns(turns.subList(0, turns.size() - 2));
    }

    /** Without the oldest exchange that is no example. */
    public Conversation withoutOldest() {
        if (exchanges() == 0) {
            return this;
        }
        List<Message> shorter = new ArrayList<>(turns.subList(0, offset));
        shorter.addAll(turns.subList(offset + 2, turns.size()));
        return withTurns(shorter);
    }

    /** The examples and the system message only. */
    public Conversation cleared() {
        return withTurns(turns.subList(0, offset));
    }

    private Conversation withTurns(List<Message> changed) {
        return new Conversation(templateName, systemMessage, changed, offset);
    }

    /** As FastChat saves a conversation. */
    public String toJson() {
        boolean vicunas = systemMessage.isEmpty() && templateName.equals(ChatTemplate.VICUNA);
        ObjectNode saved = JSON.createObjectNode()
                .put("template_name", templateName)
                .put("system_message", vicunas ? ChatTemplate.VICUNA_SYSTEM : systemMessage);
        saved.putArray("roles").add("USER").add("ASSISTANT");
        ArrayNode messages = saved.putArray("messages");
        turns.forEach(turn -> messages.addArray()
                .add(turn.role().equals(Message.USER) ? "USER" : "ASSISTANT")
                .add(turn.content()));
        return saved.put("offset", offset).toPrettyString();
    }

    /**
     * Reads what {@link #toJson} or FastChat wrote. A last question that was not answered is left out.
     *
     * @throws IllegalArgumentException if it is no saved conversation
     */
    public static Conversation fromJson(String json) {
        JsonNode saved;
        try {
            saved = JSON.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("no saved conversation: " + e.getOriginalMessage(), e);
        }
        JsonNode roles = saved.path("roles");
        JsonNode offset = saved.path("offset");
        require(saved.path("template_name").isTextual(), "template_name must be a string");
        require(saved.path("messages").isArray(), "messages must be a list");
        require(roles.size() == 2 && !roles.path(0).equals(roles.path(1)), "roles must be two names");
        require(offset.isMissingNode() || offset.canConvertToInt(), "offset must be a number");
        List<Message> turns = new ArrayList<>();
        for (JsonNode message : saved.path("messages")) {
            boolean fromUser = message.path(0).equals(roles.path(0));
            JsonNode content = message.path(1);
            require(
                    message.size() == 2
                            && (fromUser || message.path(0).equals(roles.path(1)))
                            && (content.isTextual() || content.isNull()),
                    "message " + (turns.size() + 1) + " must be a pair of a role and a text");
            if (content.isTextual()) {
                turns.add(new Message(fromUser ? Message.USER : Message.ASSISTANT, content.textValue()));
            }
        }
        if (turns.size() % 2 != 0) {
            turns.removeLast();
        }
        String template = saved.path("template_name").textValue();
        String system = saved.path("system_message").asText("");
        boolean vicunas = template.equals(ChatTemplate.VICUNA) && system.equals(ChatTemplate.VICUNA_SYSTEM);
        return new Conversation(template, vicunas ? "" : system, turns, offset.asInt());
    }

    private static void require(boolean fulfilled, String what) {
        if (!fulfilled) {
            throw new IllegalArgumentException("no saved conversation: " + what);
        }
    }
}
