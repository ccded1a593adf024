package dev.hydrallm.http;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.TextModel;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/** A body of {@code POST /v1/chat/completions}: answers a conversation through the model's chat template. */
record ChatRequest(GenerationRequest generation, Delivery delivery, Optional<Long> seed) {
    private static final int MOST_MESSAGES = 1_024;
    private static final Set<String> ROLES = Set.of(Message.SYSTEM, Message.USER, Message.ASSISTANT);
    /** OpenAI's newer name of the system's role. */
    private static final String DEVELOPER = "developer";

    static ChatRequest read(RequestFields fields, TextModel model) {
        List<Message> messages =
                fields.objects("messages", MOST_MESSAGES).orElseThrow(() -> fields.missing("messages")).stream()
                        .map(ChatRequest::message)
                        .toList();
        GenerationFields sampling = GenerationFields.read(fields, model, maxTokens(fields, model));
        Delivery delivery = Delivery.read(fields);
        fields.unsupported("logprobs", value -> value.isBoolean() && !value.booleanValue());
        fields.unsupported("top_logprobs", value -> value.isIntegralNumber() && value.longValue() == 0);
        fields.unsupported(
                "response_format", value -> value.path("type").asText().equals("text"));
        for (String tools : List.of("tools", "functions")) {
            fields.unsupported(tools, value -> value.isArray() && value.isEmpty());
        }
        for (String choice : List.of("tool_choice", "function_call")) {
            fields.unsupported(choice, value -> value.asText().equals("none"));
        }
        fields.end();
        return new ChatRequest(sampling.request(encode(model, messages)), delivery, sampling.seed());
    }

    private static int[] encode(TextModel model, List<Message> messages) {
        try {
            return model.encode(messages);
        } catch (IllegalArgumentException e) {
            throw ApiException.badField("messages", String.valueOf(e.getMessage()));
        }
    }

    private static int maxTokens(RequestFields fields, TextModel model) {
        Optional<Integer> newer = GenerationFields.maxTokens(fields, model, "max_completion_tokens");
        Optional<Integer> older = GenerationFields.maxTokens(fields, model, "max_tokens");
        if (newer.isPresent() && older.isPresent() && !newer.equals(older)) {
            throw ApiException.badField(
                    "max_tokens", "'max_tokens' and 'max_completion_tokens' are the same thing and differ: give one");
        }
        return newer.or(() -> older).orElse(StopRules.UNLIMITED);
    }

    private static Message message(RequestFields fields) {
        String role = fields.string("role").orElseThrow(() -> fields.missing("role"));
        JsonNode content = fields.value("content").orElseThrow(() -> fields.missing("content"));
        String plainRole = role.equals(DEVELOPER) ? Message.SYSTEM : role;
        if (!ROLES.contains(plainRole)) {
            throw ApiException.badField(
                    "messages", "a message's role must be system, developer, user or assistant, not '" + role + "'");
        }
        for (String other : List.of("name", "tool_calls", "function_call", "tool_call_id", "audio", "refusal")) {
            fields.unsupported(other, value -> value.isArray() && value.isEmpty());
        }
        fields.end();
        return new Message(plainRole, content.isArray() ? parts(fields, content) : fields.text("content", content));
    }

    /** Content as a list of parts, of which only texts are supported. */
    private static String parts(RequestFields fields, JsonNode content) {
        return StreamSupport.stream(content.spliterator(), false)
                .map(each -> {
                    RequestFields part = fields.object("content", each);
                    String type = part.string("type").orElseThrow(() -> part.missing("type"));
                    if (!type.equals("text")) {
                        throw ApiException.unsupported(
                                "messages", "content of type '" + type + "' is not supported: this model reads text");
                    }
                    String text = part.string("text").orElseThrow(() -> part.missing("text"));
                    part.end();
                    return text;
                })
                .collect(Collectors.joining());
    }
}
