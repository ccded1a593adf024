package dev.hydrallm.http;

import dev.hydrallm.decoding.Statistics;
import dev.hydrallm.serving.GenerationResult;
import java.util.ArrayList;
import java.util.List;

/** What an answer cost; {@code speculation} is an extension of the API. */
record Usage(
        int promptTokens,
        int completionTokens,
        int totalTokens,
        PromptTokensDetails promptTokensDetails,
        Speculation speculation) {

    /** Of the prompt's tokens, those whose KV rows were still there from the request before. */
    record PromptTokensDetails(int cachedTokens) {}

    /**
     * What speculation did.
     *
     * @param steps forward passes of the base model
     * @param drafts of these, passes that verified a draft tree
     * @param draftTokens tokens proposed in all
     * @param acceptedTokens of these, accepted, before any cut
     * @param meanAcceptanceLength new tokens by step
     * @param acceptanceHistogram steps by how many draft tokens they accepted, from 0
     */
    record Speculation(
            int steps,
            int drafts,
            int draftTokens,
            int acceptedTokens,
            double meanAcceptanceLength,
            List<Integer> acceptanceHistogram) {}

    static Usage of(List<GenerationResult> results) {
        int prompt = 0;
        int completion = 0;
        int cached = 0;
        int steps = 0;
        int drafts = 0;
        int draftTokens = 0;
        int accepted = 0;
        List<Integer> histogram = new ArrayList<>();
        for (GenerationResult result : results) {
            Statistics statistics = result.statistics();
            prompt += statistics.promptTokens();
            completion += statistics.generatedTokens();
            cached += statistics.reusedTokens();
            steps += statistics.steps();
            drafts += statistics.draftedSteps().stream().findFirst().orElse(0);
            draftTokens += statistics.draftedTokens();
            accepted += statistics.acceptedDrafts();
            List<Integer> counts = statistics.acceptHistogram();
            for (int length = 0; length < counts.size(); length++) {
                if (length == histogram.size()) {
                    histogram.add(0);
                }
                histogram.set(length, histogram.get(length) + counts.get(length));
            }
        }
        return new Usage(
                prompt,
                completion,
                prompt + completion,
                new PromptTokensDetails(cached),
                new Speculation(
                        steps, drafts, draftTokens, accepted, steps == 0 ? 0 : (double) completion / steps, histogram));
    }
}
