package dev.hydrallm.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A line of a file of MT-bench answers, with FastChat's fields, those that Medusa's {@code llm_judge} adds to a choice, and {@code options}.
 *
 * @param answerId never the same twice
 * @param modelId whose answer it is
 * @param choices several answers to the same question
 * @param timestamp seconds since 1970
 * @param options that it was given with, by name; none where another program wrote it
 */
public record MtBenchAnswer(
        int questionId,
        String answerId,
        String modelId,
        List<Choice> choices,
        double timestamp,
        Map<String, String> options) {
    /** What FastChat writes for a turn that could not be answered. */
    public static final String ERROR = "ERROR";

    /** What a line begins with. */
    static final String BEGINNING = "{\"question_id\":";

    private static final JsonMapper JSON = new JsonMapper();

    /**
     * One dialogue, with lists by turn.
     *
     * @param turns the answers
     * @param steps verify steps of each, {@code idxs} in the file. Medusa's own files hold the number of the last step there,
     *     counted from 0, which is one less.
     * @param newTokens tokens of each
     * @param wallTime seconds of each, its prompt included
     */
    public record Choice(
            int index, List<String> turns, List<Integer> steps, List<Integer> newTokens, List<Double> wallTime) {
        public Choice {
            turns = List.copyOf(turns);
            steps = List.copyOf(steps);
            newTokens = List.copyOf(newTokens);
            wallTime = List.copyOf(wallTime);
            if (steps.size() != turns.size() || newTokens.size() != turns.size() || wallTime.size() != turns.size()) {
                throw new IllegalArgumentException("turns, idxs, new_tokens and wall_time must be as many");
            }
        }

        /** Whether a turn could not be answered. */
        boolean failed(int turn) {
            return turns.get(turn).equals(ERROR) && newTokens.get(turn) == 0;
        }
    }

    public MtBenchAnswer {
        choices = List.copyOf(choices);
        options = Collections.unmodifiableMap(new LinkedHashMap<>(options));
    }

    /** The same, given with these options. */
    MtBenchAnswer with(Map<String, String> given) {
        return new MtBenchAnswer(questionId, answerId, modelId, choices, timestamp, given);
    }

    /** As one line of JSON, without its end. */
    String toJson() {
        ObjectNode json = JSON.createObjectNode()
                .put("question_id", questionId)
                .put("answer_id", answerId)
                .put("model_id", modelId);
        ArrayNode list = json.putArray("choices");
        for (Choice choice : choices) {
            ObjectNode each = list.addObject().put("index", choice.index);
            choice.turns.forEach(each.putArray("turns")::add);
            choice.steps.forEach(each.putArray("idxs")::add);
            choice.newTokens.forEach(each.putArray("new_tokens")::add);
            choice.wallTime.forEach(each.putArray("wall_time")::add);
        }
        json.put("tstamp", timestamp);
        if (!options.isEmpty()) {
            json.set("options", JSON.valueToTree(options));
        }
        return json.toString();
    }

    /**
     * Reads a line. What only some programs write may be absent: then a turn counts no tokens.
     *
     * @throws IllegalArgumentException if it is no answer; with a cause if it is not even JSON
     */
    static MtBenchAnswer fromJson(String line) {
        JsonNode json;
        try {
            json = JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("no JSON: " + e.getOriginalMessage(), e);
        }
        if (!json.path("question_id").canConvertToInt()
                || !json.path("model_id").isTextual()
                || !json.path("choices").isArray()) {
            throw new IllegalArgumentException("no answer: it must have a question_id, a model_id and choices");
        }
        List<Choice> choices = new ArrayList<>();
        for (JsonNode choice : json.path("choices")) {
            List<String> turns = new ArrayList<>();
            choice.path("turns").forEach(turn -> turns.add(turn.asText()));
            List<Integer> steps = new ArrayList<>();
            List<Integer> newTokens = new ArrayList<>();
            List<Double> wallTime = new ArrayList<>();
            for (int turn = 0; turn < turns.size(); turn++) {
                steps.add(choice.path("idxs").path(turn).asInt());
                newTokens.add(choice.path("new_tokens").path(turn).asInt());
                wallTime.add(choice.path("wall_time").path(turn).asDouble());
            }
            choices.add(new Choice(choice.path("index").asInt(), turns, steps, newTokens, wallTime));
        }
        return new MtBenchAnswer(
                json.path("question_id").intValue(),
                json.path("answer_id").asText(),
                json.path("model_id").textValue(),
                choices,
                json.path("tstamp").asDouble(),
                options(json.path("options")));
    }

    private static Map<String, String> options(JsonNode json) {
        Map<String, String> options = new LinkedHashMap<>();
        json.properties()
                .forEach(
                        option -> options.put(option.getKey(), option.getValue().asText()));
        return options;
    }
}
