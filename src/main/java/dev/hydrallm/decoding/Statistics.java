package dev.hydrallm.decoding;

import java.util.List;

/**
 * What a sequence did and where its time went.
 *
 * @param promptTokens tokens of the prompt
 * @param reusedTokens of these, rows that the slot already held
 * @param generatedTokens tokens of the output, after every cut
 * @param acceptLengths draft tokens accepted in each step, before any cut, (steps)
 * @param draftedTokens draft tokens verified in all steps: every tree's nodes but the root
 * @param draftedSteps steps whose tree reached this depth, index 0 = depth 1, (depth: the heads' tree's, or the deepest of a step if that
 *     is more)
 * @param phases time by phase
 */
public record Statistics(
        int promptTokens,
        int reusedTokens,
        int generatedTokens,
        List<Integer> acceptLengths,
        int draftedTokens,
        List<Integer> draftedSteps,
        Phases phases) {

    /** Nanoseconds spent in the phases of decoding. */
    public record Phases(long prefill, long propose, long verify, long accept, long commit) {
        /** No time spent. */
        public static final Phases ZERO = new Phases(0, 0, 0, 0, 0);

        /** Adds phase by phase. */
        public Phases plus(Phases other) {
            return new Phases(
                    prefill + other.prefill,
                    propose + other.propose,
                    verify + other.verify,
                    accept + other.accept,
                    commit + other.commit);
        }

        /** Time of all the steps, without the prefill. */
        public long steps() {
            return propose + verify + accept + commit;
        }
    }

    /** Of a request that never started. */
    public static Statistics none(int promptTokens) {
        return new Statistics(promptTokens, 0, 0, List.of(), 0, List.of(), Phases.ZERO);
    }

    public Statistics {
        acceptLengths = List.copyOf(acceptLengths);
        draftedSteps = List.copyOf(draftedSteps);
    }

    /** Verify steps. */
    public int steps() {
        return acceptLengths.size();
    }

    /** Draft tokens accepted in all steps, before any cut. */
    public int acceptedDrafts() {
        return acceptLengths.stream().mapToInt(Integer::intValue).sum();
    }

    /** New tokens ÷ steps, the seed's compression ratio without its off-by-one; 0 before the first step. */
    public double tokensPerStep() {
        return steps() == 0 ? 0 : (double) generatedTokens / steps();
    }

    /** Steps by how many draft tokens they accepted, index = that number, (depth + 1). */
    public List<Integer> acceptHistogram() {
        int[] counts = new int[draftedSteps.size() + 1];
        acceptLengths.forEach(length -> counts[length]++);
        return boxed(counts);
    }

    /** Steps that accepted a token at each depth, index 0 = depth 1, (depth). */
    public List<Integer> acceptedSteps() {
        int[] counts = new int[draftedSteps.size()];
        for (int length : acceptLengths) {
            for (int depth = 0; depth < length; depth++) {
                counts[depth]++;
            }
        }
        return boxed(counts);
    }

    private static List<Integer> boxed(int[] values) {
        return java.util.Arrays.stream(values).boxed().toList();
    }
}
