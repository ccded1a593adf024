package dev.hydrallm.serving;

import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.Statistics;

/**
 * A finished text.
 *
 * @param outputIds the generated ids after every cut; ends with the end-of-sequence id if that ended it
 * @param text without special tokens, cut before the stop string that ended it
 */
public record GenerationResult(
        int[] outputIds, String text, FinishReason finishReason, Statistics statistics, Timings timings) {

    /**
     * Wall time of a request, ns.
     *
     * @param queued waiting for a slot
     * @param firstToken from the slot to the first tokens
     * @param total from the slot to the end
     */
    public record Timings(long queued, long firstToken, long total) {

        /** Generated tokens per second from the slot on, the prompt included; 0 for no time. */
        public double tokensPerSecond(int tokens) {
            return total == 0 ? 0 : tokens * 1e9 / total;
        }
    }
}
