package dev.hydrallm.engine;

import dev.hydrallm.decoding.NotFiniteException;
import dev.hydrallm.engine.DecoderProgram.Choice;
import dev.hydrallm.engine.DecoderProgram.Rows;
import dev.hydrallm.evaluation.Scorer;
import dev.hydrallm.model.PackedModel;
import java.util.Arrays;
import java.util.List;

/** Scores text by the base of a model, with the program that also decodes. Made, used and closed on one thread. */
public final class ModelScorer implements Scorer {
    /** Values of a chunk's rows over the vocabulary: 32 MiB of doubles. */
    private static final int MOST_VALUES = 1 << 22;

    private final DecoderProgram program;
    private final int window;
    private final int vocabulary;
    private final int chunk;

    private ModelScorer(DecoderProgram program, int window, int vocabulary, int chunk) {
        this.program = program;
        this.window = window;
        this.vocabulary = vocabulary;
        this.chunk = chunk;
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
        return new ModelScorer(program, window, vocabulary, chunk);
    }

    @Override
    public int chunkSize() {
        return chunk;
    }

    @Override
    public void read(int[] tokens, int start) {
        program.verify(tokens, List.of(rows(tokens, start)), new Choice(tokens.length, Selection.NONE));
    }

    @Override
    public double[][] logProbabilities(int[] tokens, int start) {
        double[] all = program.logProbabilities(tokens, rows(tokens, start));
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

    private Rows rows(int[] tokens, int start) {
        if (tokens.length < 1 || tokens.length > chunk) {
            throw new IllegalArgumentException("a chunk holds 1 to " + chunk + " tokens, not " + tokens.length);
        }
        if (start < 0 || start + tokens.length > window) {
            throw new IllegalArgumentException(
                    tokens.length + " tokens behind " + start + " do not fit into a window of " + window);
        }
        ModelEngine.checkTokens(tokens, vocabulary);
        return new Rows(0, start, new RowShape.Run(tokens.length));
    }

    @Override
    public void close() {
        program.close();
    }
}
