package dev.hydrallm.engine.cpu;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.engine.Selection;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Chooses the token after each row from its logits, which it overwrites. Where those choose nothing, for the best is infinite or one
 * that is read is not a number, the score is NaN.
 */
final class TokenChoice {
    private final Kernels kernels;
    private final int vocabulary;
    private final MemorySegment place;

    TokenChoice(Kernels kernels, int vocabulary, Arena arena) {
        this.kernels = kernels;
        this.vocabulary = vocabulary;
        this.place = arena.allocate(ValueLayout.JAVA_INT, 1);
    }

    /**
     * Chooses after one sequence's rows.
     *
     * @param logits (rows, vocabulary)
     * @param tokens the rows' own tokens
     * @param chosen where token and score go, (2 * rows from {@code at} on)
     */
    void choose(Selection.Part part, MemorySegment logits, int[] tokens, double[] chosen, int at) {
        int rows = part.tree().nodes();
        switch (part.rule()) {
            case AcceptanceRule.Greedy() -> {
                for (int row = 0; row < rows; row++) {
                    takeLargest(row(logits, row), chosen, at + 2 * row);
                }
            }
            case AcceptanceRule.Sampled(double temperature, int topK, double topP, double minP, long _) -> {
                for (int row = 0; row < rows; row++) {
                    float[] p = probabilities(row(logits, row), temperature);
                    cut(p, topK, topP, minP);
                    draw(p, part.uniform(row), chosen, at + 2 * row);
                }
            }
            case AcceptanceRule.Typical(double temperature, double threshold, double alpha) ->
                typical(part, logits, tokens, chosen, at, temperature, threshold, alpha);
        }
    }

    private MemorySegment row(MemorySegment logits, int row) {
        long bytes = (long) vocabulary * Float.BYTES;
        return logits.asSlice(row * bytes, bytes);
    }

    private void takeLargest(MemorySegment row, double[] chosen, int at) {
        kernels.top(row, vocabulary, place, 1);
        int token = place.get(ValueLayout.JAVA_INT, 0);
        chosen[at] = token;
        chosen[at + 1] = Float.isFinite(row.getAtIndex(ValueLayout.JAVA_FLOAT, token)) ? 0 : Double.NaN;
    }

    private float[] probabilities(MemorySegment row, double temperature) {
        kernels.softmax(row, vocabulary, (float) temperature);
        return row.toArray(ValueLayout.JAVA_FLOAT);
    }

    /** Sets to 0 what top-k, top-p and min-p exclude, in this order; ties with the last kept token stay. */
    private static void cut(float[] p, int topK, double topP, double minP) {
        boolean few = topK > 0 && topK < p.length;
        if (few || topP < 1) {
            float[] ascending = p.clone();
            Arrays.sort(ascending);
            float least = few ? ascending[p.length - topK] : 0;
            if (topP < 1) {
                least = Math.max(least, leastOfTop(ascending, least, topP));
            }
            drop(p, least);
        }
        float most = 0;
        for (float each : p) {
            most = Math.max(most, each);
        }
        drop(p, (float) (most * minP));
    }

    /** The smallest number among the largest ones that together reach the share topP of all that are at least {@code floor}. */
    private static float leastOfTop(float[] ascending, float floor, double topP) {
        double all = 0;
        for (float each : ascending) {
            all += each < floor ? 0 : each;
        }
        double before = 0;
        float least = Float.POSITIVE_INFINITY;
        for (int i = ascending.length - 1; i >= 0 && ascending[i] >= floor && before < all * topP; i--) {
            least = ascending[i];
            before += ascending[i];
        }
        return least;
    }

    private static void drop(float[] p, float below) {
        for (int i = 0; i < p.length; i++) {
            if (p[i] < below) {
                p[i] = 0;
            }
        }
    }

    /** Takes the token at which the distribution function passes a share of its sum. */
    private static void draw(float[] p, double uniform, double[] chosen, int at) {
        double all = 0;
        for (float each : p) {
            all += each;
        }
        chosen[at] = tokenAt(p, all, uniform);
        chosen[at + 1] = Double.isNaN(all) ? Double.NaN : 0;
    }

    private static int tokenAt(float[] p, double all, double uniform) {
        double target = all * uniform;
        double sum = 0;
        int last = 0;
        for (int token = 0; token < p.length; token++) {
            sum += p[token];
            if (sum > target) {
                return token;
            }
            last = p[token] > 0 ? token : last;
        }
        return last; // the sum of floats fell short of itself by rounding
    }

    /**
     * Medusa's typical acceptance of every row under its parent, p &gt; min(threshold, alpha · exp(−entropy)): the score is log p if
     * that lets it stay, else negative infinity. The root is its own parent, and its score is not read.
     */
    private void typical(
            Selection.Part part,
            MemorySegment logits,
            int[] tokens,
            double[] chosen,
            int at,
            double temperature,
            double threshold,
            double alpha) {
        int rows = part.tree().nodes();
        float[] floor = new float[rows];
        for (int row = 0; row < rows; row++) {
            MemorySegment own = row(logits, row);
            takeLargest(own, chosen, at + 2 * row);
            kernels.softmax(own, vocabulary, (float) temperature);
            floor[row] = (float) Math.min(threshold, Math.exp(-kernels.entropy(own, vocabulary)) * alpha);
        }
        for (int row = 0; row < rows; row++) {
            int parent = Math.max(0, part.tree().parent(row));
            float p = row(logits, parent).getAtIndex(ValueLayout.JAVA_FLOAT, tokens[row]);
            if (!Double.isNaN(chosen[at + 2 * row + 1])) {
                chosen[at + 2 * row + 1] = p > floor[parent] ? Math.log(p) : Double.NEGATIVE_INFINITY;
            }
        }
    }
}
