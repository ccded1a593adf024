package dev.hydrallm.evaluation;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** A model whose guesses are random, but the same for the same window so far; insists on being read as the port demands. */
final class FakeDraftReader implements DraftReader {
    static final int VOCABULARY = 5;

    private final int chunk;
    private final int heads;
    private final List<Integer> window = new ArrayList<>();
    /** What was said to stand behind the last tokens. */
    private int announced;

    FakeDraftReader(int chunk, int heads) {
        this.chunk = chunk;
        this.heads = heads;
    }

    /** The base's choice after a window's tokens. */
    static int next(List<Integer> read) {
        return new Random(read.hashCode()).nextInt(VOCABULARY);
    }

    /** What a head guesses after a window's tokens, best first: different ids. */
    static int[] guesses(List<Integer> read, int head, int ranks) {
        return new Random(31L * read.hashCode() + head)
                .ints(0, VOCABULARY)
                .distinct()
                .limit(ranks)
                .toArray();
    }

    @Override
    public int chunkSize() {
        return chunk;
    }

    @Override
    public int heads() {
        return heads;
    }

    @Override
    public void read(int[] tokens, int start, int next) {
        guesses(tokens, start, next, 1);
    }

    @Override
    public Guesses guesses(int[] tokens, int start, int behind, int ranks) {
        announced(tokens, start);
        announced = behind;
        if (start == 0) {
            window.clear();
        }
        if (start != window.size() || tokens.length < 1 || tokens.length > chunk) {
            throw new AssertionError(tokens.length + " tokens behind " + start + " of " + window.size());
        }
        int[] next = new int[tokens.length];
        int[][][] drafts = new int[heads][tokens.length][];
        for (int i = 0; i < tokens.length; i++) {
            window.add(tokens[i]);
            next[i] = next(window);
            for (int head = 0; head < heads; head++) {
                drafts[head][i] = guesses(window, head, ranks);
            }
        }
        return new Guesses(next, drafts);
    }

    private void announced(int[] tokens, int start) {
        if (start > 0 && tokens[0] != announced) {
            throw new AssertionError(tokens[0] + " behind what was said to be before " + announced);
        }
    }

    @Override
    public void close() {}
}
