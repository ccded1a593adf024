package dev.hydrallm.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Prompts that belong together.
 *
 * @param name the file's, without its ending
 * @param form how the prompts become tokens
 * @param prompts each the turns of a user, one at least
 */
public record PromptSet(String name, Form form, List<List<String>> prompts) {
    private static final JsonMapper JSON = new JsonMapper();

    /** How a prompt is meant. */
    public enum Form {
        /** Something said to an assistant, through the model's chat template. */
        CHAT,
        /** The beginning of a text that goes on. */
        TEXT
    }

    public PromptSet {
        prompts = prompts.stream().map(List::copyOf).toList();
        if (prompts.isEmpty()) {
            throw new IllegalArgumentException(name + ": no prompt in it");
        }
    }

    /** Beginnings of Python files, written for Hydra and published nowhere before: for the demo model. */
    public static PromptSet python() {
        try (InputStream resource = PromptSet.class.getResourceAsStream("python-prompts.json")) {
            PromptSet read = ofJson("python", JSON.readTree(resource));
            return new PromptSet("python", Form.TEXT, read.prompts);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Reads a set: {@code .json}, a list of objects with a {@code prompt}; {@code .jsonl}, objects with {@code turns} (as MT-bench's
     * questions) or a {@code prompt}; any other file is one text that goes on.
     *
     * @throws IllegalArgumentException that names the file and, where there is one, the prompt that is none
     */
    public static PromptSet read(Path file) throws IOException {
        String text = text(file);
        String fileName = String.valueOf(file.getFileName());
        int end = fileName.lastIndexOf('.');
        String name = end > 0 ? fileName.substring(0, end) : fileName;
        String ending = end > 0 ? fileName.substring(end + 1).toLowerCase(Locale.ROOT) : "";
        try {
            return switch (ending) {
                case "json" -> ofJson(name, JSON.readTree(text));
                case "jsonl" -> ofLines(name, text);
                default -> new PromptSet(name, Form.TEXT, text.isEmpty() ? List.of() : List.of(List.of(text)));
            };
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(file + " is no valid JSON: " + e.getOriginalMessage(), e);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(file + ": " + e.getMessage(), e);
        }
    }

    private static String text(Path file) throws IOException {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(Files.readAllBytes(file)))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(file + " is not valid UTF-8", e);
        }
    }

    private static PromptSet ofJson(String name, JsonNode list) {
        if (!list.isArray()) {
            throw new IllegalArgumentException("no list of prompts such as [{\"prompt\": \"…\"}]");
        }
        List<List<String>> prompts = new ArrayList<>();
        for (JsonNode each : list) {
            prompts.add(turns(each, prompts.size() + 1));
        }
        return new PromptSet(name, Form.CHAT, prompts);
    }

    private static PromptSet ofLines(String name, String text) throws JsonProcessingException {
        List<List<String>> prompts = new ArrayList<>();
        for (String line : text.lines().filter(line -> !line.isBlank()).toList()) {
            prompts.add(turns(JSON.readTree(line), prompts.size() + 1));
        }
        return new PromptSet(name, Form.CHAT, prompts);
    }

    private static List<String> turns(JsonNode prompt, int number) {
        List<String> turns = new ArrayList<>();
        if (prompt.path("prompt").isTextual()) {
            turns.add(prompt.path("prompt").textValue());
        } else {
            prompt.path("turns").forEach(turn -> turns.add(turn.isTextual() ? turn.textValue() : ""));
        }
        if (turns.isEmpty() || turns.contains("")) {
            throw new IllegalArgumentException(
                    "prompt " + number + " has neither a text \"prompt\" nor \"turns\" that are texts");
        }
        return turns;
    }

    /** What a model reads of each prompt's first turn, (prompts, tokens). */
    public List<int[]> openings(Tokenizer tokenizer, ChatTemplate template) {
        return prompts.stream()
                .map(turns -> new Dialogue(form, tokenizer, template).ask(turns.getFirst()))
                .toList();
    }

    /** The first so many of its prompts. */
    public PromptSet first(int count) {
        return new PromptSet(name, form, prompts.subList(0, Math.min(count, prompts.size())));
    }
}
