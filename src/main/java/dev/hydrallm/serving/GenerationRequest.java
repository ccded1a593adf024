package dev.hydrallm.serving;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.StopRules;
import java.util.List;

/**
 * One text to generate.
 *
 * @param prompt token ids as the model reads them, BOS included
 * @param speculation what to draft each step; {@link Speculation#NONE} decodes plainly
 * @param stopStrings texts that end the output and are not shown
 */
public record GenerationRequest(
        int[] prompt, AcceptanceRule rule, Speculation speculation, StopRules stops, List<String> stopStrings) {
    public GenerationRequest {
        stopStrings = List.copyOf(stopStrings);
        if (stopStrings.stream().anyMatch(String::isEmpty)) {
            throw new IllegalArgumentException("a stop string must not be empty");
        }
    }
}
