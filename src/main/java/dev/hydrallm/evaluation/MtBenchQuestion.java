package dev.hydrallm.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A question of MT-bench (Zheng et al. 2023, "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena").
 *
 * @param turns what the user says, one message after the other
 */
public record MtBenchQuestion(int id, String category, List<String> turns) {
    private static final JsonMapper JSON = new JsonMapper();

    /** FastChat's {@code temperature_config} of {@code fastchat/llm_judge/common.py}. */
    private static final Map<String, Double> TEMPERATURES = Map.of(
            "writing", 0.7,
            "roleplay", 0.7,
            "extraction", 0.0,
            "math", 0.0,
            "coding", 0.0,
            "reasoning", 0.0,
            "stem", 0.1,
            "humanities", 0.1);

    private static final double TEMPERATURE_OF_OTHERS = 0.7;

    public MtBenchQuestion {
        turns = List.copyOf(turns);
    }

    /** The temperature that questions of its category are answered with; FastChat's 0.7 for a category of your own. */
    public double temperature() {
        return TEMPERATURES.getOrDefault(category, TEMPERATURE_OF_OTHERS);
    }

    /**
     * Reads questions, one JSON object a line.
     *
     * @throws IllegalArgumentException naming the line and what is wrong with it
     */
    public static List<MtBenchQuestion> read(Path file) throws IOException {
        List<MtBenchQuestion> questions = new ArrayList<>();
        Set<Integer> ids = new HashSet<>();
        int number = 0;
        for (String line : lines(file)) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            MtBenchQuestion question = parse(line, file + ", line " + number);
            if (!ids.add(question.id)) {
                throw new IllegalArgumentException(
                        file + ", line " + number + ": question " + question.id + " is there twice");
            }
            questions.add(question);
        }
        if (questions.isEmpty()) {
            throw new IllegalArgumentException(file + " holds no question");
        }
        return questions;
    }

    private static List<String> lines(Path file) throws IOException {
        try {
            return Files.readAllLines(file);
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException(file + " is not valid UTF-8", e);
        }
    }

    private static MtBenchQuestion parse(String line, String place) {
        JsonNode json;
        try {
            json = JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(place + " is no JSON: " + e.getOriginalMessage(), e);
        }
        List<String> turns = new ArrayList<>();
        json.path("turns").forEach(turn -> turns.add(turn.isTextual() ? turn.textValue() : ""));
        if (!json.path("question_id").canConvertToInt()
                || !json.path("category").isTextual()
                || turns.isEmpty()
                || turns.contains("")) {
            throw new IllegalArgumentException(
                    place + " is no question: it must have a question_id, a category and turns, a list of texts");
        }
        return new MtBenchQuestion(
                json.path("question_id").intValue(), json.path("category").textValue(), turns);
    }
}
