package dev.hydrallm.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Prompts of one kind, as the seed keeps them: a JSON list of objects {@code {"prompt": …, "gt": …}}, where gt, the ground
 * truth, is the right answer or null.
 *
 * @param name the file's, without its ending
 */
public record ReferenceSet(String name, List<Item> prompts) {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    /**
     * One prompt.
     *
     * @param reference the right answer, where there is one
     */
    public record Item(String text, Optional<String> reference) {}

    public ReferenceSet {
        prompts = List.copyOf(prompts);
    }

    /** The same prompts without the answers. */
    public PromptSet asked() {
        return new PromptSet(
                name,
                PromptSet.Form.CHAT,
                prompts.stream().map(item -> List.of(item.text())).toList());
    }

    /**
     * Reads a set.
     *
     * @throws IllegalArgumentException naming the file and what is wrong with it
     */
    public static ReferenceSet read(Path file) throws IOException {
        JsonNode json;
        try {
            json = JSON.readTree(Files.readAllBytes(file));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(file + " is no JSON: " + e.getOriginalMessage(), e);
        }
        if (!json.isArray() || json.isEmpty()) {
            throw new IllegalArgumentException(file + " is no set of prompts: it must be a list of objects with a"
                    + " \"prompt\" and a \"gt\", the right answer or null");
        }
        List<Item> prompts = new ArrayList<>();
        for (JsonNode entry : json) {
            JsonNode prompt = entry.path("prompt");
            JsonNode truth = entry.path("gt");
            if (!prompt.isTextual() || prompt.textValue().isBlank()) {
                throw new IllegalArgumentException(file + ": entry " + (prompts.size() + 1) + " has no \"prompt\"");
            }
            if (!truth.isTextual() && !truth.isNull() && !truth.isMissingNode()) {
                throw new IllegalArgumentException(
                        file + ": the \"gt\" of entry " + (prompts.size() + 1) + " must be a text or null");
            }
            prompts.add(new Item(
                    prompt.textValue(), Optional.ofNullable(truth.textValue()).filter(text -> !text.isBlank())));
        }
        String name = file.getFileName().toString();
        return new ReferenceSet(name.endsWith(".json") ? name.substring(0, name.length() - 5) : name, prompts);
    }
}
