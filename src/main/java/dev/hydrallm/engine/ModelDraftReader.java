package dev.hydrallm.engine;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.NotFiniteException;
import dev.hydrallm.engine.DecoderProgram.Accepted;
import dev.hydrallm.engine.DecoderProgram.Choice;
import dev.hydrallm.engine.DecoderProgram.Rows;
import dev.hydrallm.evaluation.DraftReader;
import dev.hydrallm.model.PackedModel;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;

/** Reads text by a model and its draft heads, with the program that also decodes. Made, used and closed on one thread. */
public final class ModelDraftReader implements DraftReader {
    /** Logits of all heads over a chunk: 32 MiB of floats. */
    private static final int MOST_VALUES = 1 << 23;

    private final DecoderProgram program;
    private final WindowBounds bounds;
    private final int heads;

    /** As many rows as the last chunk had, one behind the other. */
    private DraftTree run = DraftTree.ROOT_ONLY;

    private ModelDraftReader(DecoderProgram program, WindowBounds bounds, int heads) {
        this.program = program;
        this.bounds = bounds;
        this.heads = heads;
    }

    /**
     * Loads a packed model, which must stay open as long as the reader.
     *
     * @param options their context length is the longest window
     * @throws IllegalArgumentException if the model has no draft heads, or the options ask for what it cannot do
     */
    public static ModelDraftReader load(PackedModel model, EngineOptions options) {
        checkHeads(model);
        int heads = model.draft().heads();
        int window = ModelEngine.contextLength(model, options);
        int vocabulary = model.architecture().vocabSize();
        int chunk = Math.clamp(MOST_VALUES / ((long) vocabulary * heads), 1, options.prefillChunk());
        DecoderProgram program = Programs.load(model, options.withSlots(1), window);
        return new ModelDraftReader(program, new WindowBounds(window, vocabulary, chunk), heads);
    }

    /**
     * Refuses a model that has nothing to ask.
     *
     * @throws IllegalArgumentException if it has no draft heads
     */
    public static void checkHeads(PackedModel model) {
        if (model.draft().heads() == 0) {
            throw new IllegalArgumentException(
                    model.manifest().name() + " has no draft heads: give a model that was packed with some");
        }
    }

    @Override
    public int chunkSize() {
        return bounds.chunk();
    }

    @Override
    public int heads() {
        return heads;
    }

    @Override
    public void read(int[] tokens, int start, int next) {
        Rows rows = bounds.rows(tokens, start);
        program.verify(tokens, List.of(rows), new Choice(tokens.length, Selection.NONE));
        program.draft(Accepted.run(tokens, next), List.of(rows), DraftShape.NONE);
    }

    @Override
    public Guesses guesses(int[] tokens, int start, int next, int ranks) {
        if (ranks < 1 || ranks > bounds.vocabulary()) {
            throw new IllegalArgumentException(
                    ranks + " guesses of a head, and the vocabulary has " + bounds.vocabulary() + " tokens");
        }
        Rows rows = bounds.rows(tokens, start);
        double[] chosen = program.verify(tokens, List.of(rows), new Choice(0, greedy(tokens.length, start)));
        int[] choices = new int[tokens.length];
        for (int row = 0; row < choices.length; row++) {
            if (Double.isNaN(chosen[2 * row + 1])) {
                throw new NotFiniteException();
            }
            choices[row] = (int) chosen[2 * row];
        }
        int[] behind = Accepted.run(tokens, next).next();
        int[] ids =
                program.draftEach(behind, rows, new DraftShape(heads, ranks)).tokens();
        int[][][] drafts = new int[heads][tokens.length][ranks];
        int at = 0;
        for (int[][] head : drafts) {
            for (int[] row : head) {
                for (int rank = 0; rank < ranks; rank++) {
                    row[rank] = ids[at++];
                }
            }
        }
        return new Guesses(choices, drafts);
    }

    /** The greedy choice after each row of a run, which is a tree of one path. */
    private Selection greedy(int rows, int start) {
        if (run.nodes() != rows) {
            run = DraftTree.of(IntStream.range(1, rows)
                    .mapToObj(depth -> Collections.nCopies(depth, 0))
                    .toList());
        }
        return new Selection(List.of(new Selection.Part(new AcceptanceRule.Greedy(), run, start)));
    }

    @Override
    public void close() {
        program.close();
    }
}
