package dev.hydrallm.engine;

import dev.hydrallm.decoding.NotFiniteException;
import dev.hydrallm.engine.DecoderProgram.Choice;
import dev.hydrallm.evaluation.Scorer;
import dev.hydrallm.model.PackedModel;
import java.util.Arrays;
import java.util.List;

/** Scores text by the base of a model, with the program that also decodes. Made, used and closed on one thread. */
public final class ModelScorer implements Scorer {
    /** Values of a chunk's rows over the vocabulary: 32 MiB of doubles. */
    private static final int MOST_VALUES = 1 << 22;

    private final DecoderProgram program;
    private final WindowBounds bounds;

    private ModelScorer(DecoderProgram program, WindowBounds bounds) {
        this.program = program;
        this.bounds = bounds;
    }

    /**
     * Loads a packed model, which must stay open as long as the scorer.
     *
     * @param options their context length is the longest window
     * @throws IllegalArgumentException if the options ask for what the model cannot do
     */
    public static ModelScorer load(PackedModel model, EngineOptions options) {
        int window = ModelEngine.contextLength(model, options);
        int vocabulary = model.architecture().vocabSize();
        int chunk = Math.clamp(MOST_VALUES / vocabulary, 1, options.prefillChunk());
        DecoderProgram program = Programs.load(model, options.withSlots(1), window);
        return new ModelScorer(program, new WindowBounds(window, vocabulary, chunk));
    }

    @Override
    public int chunkSize() {
        return bounds.chunk();
    }

    @Override
    public void read(int[] tokens, int start) {
        program.verify(tokens, List.of(bounds.rows(tokens, start)), new Choice(tokens.length, Selection.NONE));
    }

    @Override
    public double[][] logProbabilities(int[] tokens, int start) {
        double[] all = program.logProbabilities(tokens, bounds.rows(tokens, start));
        int vocabulary = bounds.vocabulary();
        for (int row = 0; row < tokens.length; row++) {
            // The probabilities of a row share a sum: it spoils all or none.
            if (Double.isNaN(all[row * vocabulary])) {
                throw new NotFiniteException();
            }
        }
        double[][] rows = new double[tokens.length][];
        Arrays.setAll(rows, row -> Arrays.copyOfRange(all, row * vocabulary, (row + 1) * vocabulary));
        return rows;
    }

    @Override
    public void close() {
        program.close();
    }
}
