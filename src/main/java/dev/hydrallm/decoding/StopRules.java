package dev.hydrallm.decoding;

import java.util.Set;

/**
 * When a sequence ends, besides its {@link TokenSink} and the end of the context.
 *
 * @param endTokens ids that end it; the output keeps the one that did
 * @param maxTokens generated tokens, at least 1
 * @param maxSteps verify steps, at least 1; a step is never cut by this
 */
public record StopRules(Set<Integer> endTokens, int maxTokens, int maxSteps) {
    /** No limit of tokens or steps. */
    public static final int UNLIMITED = Integer.MAX_VALUE;

    public StopRules {
        endTokens = Set.copyOf(endTokens);
        if (maxTokens < 1) {
            throw new IllegalArgumentException("max_tokens must be at least 1, not " + maxTokens);
        }
        if (maxSteps < 1) {
            throw new IllegalArgumentException("max_steps must be at least 1, not " + maxSteps);
        }
    }
}
