package dev.hydrallm.http;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.TextModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** A body of {@code POST /v1/completions}: continues texts as they are. */
record CompletionRequest(List<GenerationRequest> generations, Delivery delivery, Optional<Long> seed) {
    private static final int DEFAULT_MAX_TOKENS = 16;
    private static final int MOST_PROMPTS = 32;

    static CompletionRequest read(RequestFields fields, TextModel model) {
        JsonNode prompt = fields.value("prompt").orElseThrow(() -> fields.missing("prompt"));
        List<int[]> prompts = prompts(fields, prompt, model);
        int maxTokens = GenerationFields.maxTokens(fields, model, "max_tokens").orElse(DEFAULT_MAX_TOKENS);
        GenerationFields sampling = GenerationFields.read(fields, model, maxTokens);
        Delivery delivery = Delivery.read(fields);
        fields.unsupported("best_of", value -> value.isIntegralNumber() && value.longValue() == 1);
        fields.unsupported("logprobs", value -> false);
        fields.unsupported("echo", value -> value.isBoolean() && !value.booleanValue());
        fields.unsupported(
                "suffix", value -> value.isTextual() && value.textValue().isEmpty());
        fields.end();
        return new CompletionRequest(prompts.stream().map(sampling::request).toList(), delivery, sampling.seed());
    }

    /** A string, strings, ids, or lists of ids. */
    private static List<int[]> prompts(RequestFields fields, JsonNode prompt, TextModel model) {
        Function<JsonNode, int[]> ids =
                list -> fields.tokenIds("prompt", list, model.limits().vocabularySize());
        if (prompt.isTextual()) {
            return List.of(model.encode(fields.string("prompt").orElseThrow()));
        }
        if (!prompt.isArray() || prompt.isEmpty()) {
            throw fields.wrong("prompt", "must be a string, a list of strings, of ids, or of lists of ids", prompt);
        }
        if (prompt.get(0).isNumber()) {
            return List.of(ids.apply(prompt));
        }
        if (prompt.size() > MOST_PROMPTS) {
            throw fields.wrong("prompt", "must hold at most " + MOST_PROMPTS + " prompts", prompt);
        }
        List<int[]> prompts = new ArrayList<>();
        for (JsonNode each : prompt) {
            prompts.add(each.isArray() ? ids.apply(each) : model.encode(fields.text("prompt", each)));
        }
        return prompts;
    }
}
