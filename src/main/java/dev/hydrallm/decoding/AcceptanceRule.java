package dev.hydrallm.decoding;

/**
 * How a token is chosen from the base model's logits and which drafted tokens therefore stay. Chosen once per request;
 * the loop knows no modes.
 */
public sealed interface AcceptanceRule {
    /** Below this temperature only the best token has any probability, and logits divided by it would overflow. */
    double COLDEST = 1e-4;

    /**
     * The accepted path through a verified tree.
     *
     * @param tokens the token id of each node, (nodes)
     * @return node numbers from the root (always accepted) to the last accepted node
     */
    int[] accept(DraftTree tree, int[] tokens, Verdict verdict);

    /** Whether the output is the base model's own, whatever the tree. */
    default boolean lossless() {
        return true;
    }

    /** Argmax decoding: a child stays when it is its parent's argmax. The output equals plain greedy decoding. */
    record Greedy() implements AcceptanceRule {
        @Override
        public int[] accept(DraftTree tree, int[] tokens, Verdict verdict) {
            return TreeWalk.alongChosenTokens(tree, tokens, verdict.next());
        }
    }

    /**
     * Lossless sampling: the engine draws the target model's token at every node and the walk goes on where it was
     * drafted, so the distribution is exactly the base model's, whatever the tree. All nodes that choose the token of
     * one absolute position share one uniform number, so the text of a seed does not depend on the tree either.
     *
     * @param temperature divides the logits, at least {@link #COLDEST}
     * @param topK keep the k most probable tokens; 0 keeps all
     * @param topP keep the smallest set of most probable tokens with at least this mass, in (0, 1]
     * @param minP drop tokens less probable than this times the best, in [0, 1)
     */
    record Sampled(double temperature, int topK, double topP, double minP, long seed) implements AcceptanceRule {
        public Sampled {
            requireTemperature(temperature);
            require(topK >= 0, "top_k must be 0 (all) or more, not " + topK);
            require(topP > 0 && topP <= 1, "top_p must be above 0 and at most 1, not " + topP);
            require(minP >= 0 && minP < 1, "min_p must be at least 0 and below 1, not " + minP);
        }

        /**
         * The number in [0, 1) that picks the token of an absolute position: 32 bits of the SplitMix64 mix (Steele,
         * Lea, Flood 2014) of the position's and the seed's mixes, so that neighbouring seeds share nothing.
         */
        public double uniform(long position) {
            return (mix(mix(seed) + 0x9E3779B97F4A7C15L * (position + 1)) >>> 32) * 0x1p-32;
        }

        private static long mix(long value) {
            long z = value + 0x9E3779B97F4A7C15L;
            z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
            z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
            return z ^ (z >>> 31);
        }

        @Override
        public int[] accept(DraftTree tree, int[] tokens, Verdict verdict) {
            return TreeWalk.alongChosenTokens(tree, tokens, verdict.next());
        }
    }

    /**
     * Medusa's typical acceptance (Cai et al. 2024, §2.3.1): a child x stays when {@code p(x) > min(threshold, alpha ·
     * exp(-H))} under its parent's distribution at this temperature, H its entropy. The longest path wins, then the
     * larger Σ log p. Nothing is sampled: roots are always the argmax. Not the base model's distribution.
     */
    record Typical(double temperature, double threshold, double alpha) implements AcceptanceRule {
        /** The seed's {@code posterior_threshold}. */
        public static final double DEFAULT_THRESHOLD = 0.09;
        /** The seed's {@code posterior_alpha}. */
        public static final double DEFAULT_ALPHA = 0.3;

        public Typical {
            requireTemperature(temperature);
            require(threshold >= 0 && threshold <= 1, "posterior_threshold must be within 0 and 1, not " + threshold);
            require(alpha >= 0 && alpha <= 1, "posterior_alpha must be within 0 and 1, not " + alpha);
        }

        @Override
        public int[] accept(DraftTree tree, int[] tokens, Verdict verdict) {
            return TreeWalk.longestAcceptable(tree, verdict.scores());
        }

        @Override
        public boolean lossless() {
            return false;
        }
    }

    private static void requireTemperature(double temperature) {
        require(
                temperature >= COLDEST && temperature <= 100,
                "temperature must be 0 (greedy) or within " + COLDEST + " and 100, not " + temperature);
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
