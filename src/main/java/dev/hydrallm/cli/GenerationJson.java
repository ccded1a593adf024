package dev.hydrallm.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.Statistics;
import dev.hydrallm.serving.GenerationResult;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A finished text as one JSON object. Times are milliseconds. */
@JsonInclude(JsonInclude.Include.NON_NULL)
record GenerationJson(
        @JsonProperty("prompt_ids") int[] promptIds,
        @JsonProperty("output_ids") int[] outputIds,
        @JsonProperty("accept_lengths") List<Integer> acceptLengths,
        String text,
        @JsonProperty("finish_reason") String finishReason,
        @Nullable Long seed,
        Timings timings,
        Stats stats) {

    private static final ObjectMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .build();

    record Timings(
            double queuedMs,
            double firstTokenMs,
            double totalMs,
            double prefillMs,
            double proposeMs,
            double verifyMs,
            double acceptMs,
            double commitMs,
            double tokensPerSecond) {}

    record Stats(
            int promptTokens,
            int reusedTokens,
            int generatedTokens,
            int steps,
            double tokensPerStep,
            List<Integer> acceptHistogram,
            List<Integer> draftedSteps,
            List<Integer> acceptedSteps) {}

    static GenerationJson of(int[] prompt, AcceptanceRule rule, GenerationResult result) {
        Statistics statistics = result.statistics();
        Statistics.Phases phases = statistics.phases();
        GenerationResult.Timings timings = result.timings();
        return new GenerationJson(
                prompt,
                result.outputIds(),
                statistics.acceptLengths(),
                result.text(),
                name(result.finishReason()),
                rule instanceof AcceptanceRule.Sampled sampled ? sampled.seed() : null,
                new Timings(
                        millis(timings.queued()),
                        millis(timings.firstToken()),
                        millis(timings.total()),
                        millis(phases.prefill()),
                        millis(phases.propose()),
                        millis(phases.verify()),
                        millis(phases.accept()),
                        millis(phases.commit()),
                        timings.tokensPerSecond(statistics.generatedTokens())),
                new Stats(
                        statistics.promptTokens(),
                        statistics.reusedTokens(),
                        statistics.generatedTokens(),
                        statistics.steps(),
                        statistics.tokensPerStep(),
                        statistics.acceptHistogram(),
                        statistics.draftedSteps(),
                        statistics.acceptedSteps()));
    }

    /** On one line. */
    String line() {
        try {
            return JSON.writeValueAsString(this);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String name(FinishReason reason) {
        return reason.name().toLowerCase(Locale.ROOT);
    }

    private static double millis(long nanos) {
        return Math.round(nanos / 1e3) / 1e3;
    }
}
