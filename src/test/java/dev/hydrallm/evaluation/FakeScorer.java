package dev.hydrallm.evaluation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/** A model that expects what a function of the tokens it has read says; insists on being read as the port demands. */
final class FakeScorer implements Scorer {
    static final int VOCABULARY = 7;

    private final int chunk;
    private final Function<List<Integer>, double[]> expectation;
    private final List<Integer> window = new ArrayList<>();

    /**
     * A model.
     *
     * @param expectation from the window's tokens so far to the logarithms of the next token's probabilities
     */
    FakeScorer(int chunk, Function<List<Integer>, double[]> expectation) {
        this.chunk = chunk;
        this.expectation = expectation;
    }

    /** A model to which only so many last tokens matter; its expectations are random, but the same each time. */
    static Function<List<Integer>, double[]> remembering(int tokens) {
        return read -> {
            List<Integer> last = read.subList(Math.max(0, read.size() - tokens), read.size());
            double[] p = new Random(last.hashCode())
                    .doubles(VOCABULARY)
                    .map(u -> u + 0.01)
                    .toArray();
            double sum = Arrays.stream(p).sum();
            return Arrays.stream(p).map(each -> Math.log(each / sum)).toArray();
        };
    }

    @Override
    public int chunkSize() {
        return chunk;
    }

    @Override
    public void read(int[] tokens, int start) {
        logProbabilities(tokens, start);
    }

    @Override
    public double[][] logProbabilities(int[] tokens, int start) {
        if (start == 0) {
            window.clear();
        }
        if (start != window.size() || tokens.length < 1 || tokens.length > chunk) {
            throw new AssertionError(tokens.length + " tokens behind " + start + " of " + window.size());
        }
        double[][] rows = new double[tokens.length][];
        for (int i = 0; i < tokens.length; i++) {
            window.add(tokens[i]);
            rows[i] = expectation.apply(window);
        }
        return rows;
    }

    @Override
    public void close() {}
}
