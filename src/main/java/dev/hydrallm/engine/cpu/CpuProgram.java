package dev.hydrallm.engine.cpu;

import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.RowShape;
import dev.hydrallm.engine.RowShapeCache;
import dev.hydrallm.engine.Selection;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.natives.LargePages;
import dev.hydrallm.natives.NoRoomException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A model with int8 weights on the program's own kernels: one call runs all decoder layers. Whatever is computed of a row has the
 * same bits alone, among other rows, and as a node of a draft tree.
 */
public final class CpuProgram implements DecoderProgram {
    /** Inputs whose products of 8 bits cannot overflow their sum. */
    static final int MOST_INPUTS = Integer.MAX_VALUE / (255 * 127);

    private static final long FLOAT = Float.BYTES;

    private final Kernels kernels;
    private final Architecture architecture;
    private final DraftLayout draft;
    private final Arena arena;
    private final CpuWeights weights;
    private final RowShapeCache<RowMap> shapes;
    private final TokenChoice choice;
    private final KvCaches caches;
    private final KvCaches draftCaches;
    private final Struct sequences;
    private final MemorySegment shape;
    private final MemorySegment workspace;
    /** Rows of the residual stream, of what the draft layers read, and of what they make of it, (rows, hidden) each. */
    private final MemorySegment x;

    private final MemorySegment tap;
    private final MemorySegment drafted;
    /** (slots, context, hidden): as many as a slot may hold, for what is never read late costs a copy only. */
    private final MemorySegment undrafted;

    /** Normed rows, (rows, hidden). */
    private final MemorySegment normed;
    /** What heads make of their rows, (heads, sequences, hidden). */
    private final MemorySegment states;

    private final MemorySegment logits;
    private final MemorySegment places;
    private final MemorySegment path;
    private final int context;
    private long busyNanos;

    private CpuProgram(Kernels kernels, CpuWeights weights, PackedModel model, EngineOptions options, int context) {
        this.kernels = kernels;
        this.weights = weights;
        this.context = context;
        arena = weights.arena();
        architecture = model.architecture();
        draft = model.draft();
        int slots = options.slots();
        // However few nodes a step has, each running sequence has one.
        int rows = IntStream.of(options.maxNodes(), options.prefillChunk(), slots)
                .max()
                .orElseThrow();
        // A tree's rows stand behind the last committed one.
        int cacheRows = Math.ceilDiv(context + options.maxNodes(), Kernels.BLOCK) * Kernels.BLOCK;
        Workspace room = new Workspace(kernels, architecture, arena);
        shape = room.shape(context, cacheRows);
        // Rows that wait for the draft layers come together, and so do all heads' rows of all sequences.
        int heads = Math.max(1, draft.heads());
        workspace =
                room.of(IntStream.of(rows, UNDRAFTED_ROWS, heads * slots).max().orElseThrow(), threads(options), shape);
        shapes = new RowShapeCache<>(RowMap::of, slots);
        caches = new KvCaches(architecture, architecture.layers(), cacheRows, slots, arena);
        draftCaches = new KvCaches(architecture, draft.forkedLayers(), cacheRows, slots, arena);
        sequences = Struct.of(KvCaches.SEQUENCE_FIELDS * slots, arena);
        x = numbers(rows, hidden());
        tap = numbers(rows, hidden());
        drafted = numbers(Math.max(rows, UNDRAFTED_ROWS), hidden());
        undrafted = numbers((long) slots * context, hidden());
        normed = numbers(rows, hidden());
        states = numbers((long) heads * slots, hidden());
        logits = numbers(Math.max(rows, (long) draft.heads() * slots), architecture.vocabSize());
        places = arena.allocate(ValueLayout.JAVA_INT, architecture.vocabSize());
        path = arena.allocate(ValueLayout.JAVA_INT, rows);
        choice = new TokenChoice(kernels, architecture.vocabSize(), arena);
    }

    /**
     * Why the kernels cannot run a model; empty if they can.
     *
     * @throws IllegalStateException when they could, but cannot be loaded
     */
    public static Optional<String> obstacle(PackedModel model) {
        if (model.manifest().quantization().values().stream().allMatch(WeightFormat.Floats.class::isInstance)) {
            return Optional.of("its weights are not quantized");
        }
        for (PackLayout.Part part : PackLayout.parts(model.architecture(), model.draft())) {
            if (part instanceof PackLayout.Matrix matrix && matrix.columns() > MOST_INPUTS) {
                return Optional.of(matrix.name() + " has more than " + MOST_INPUTS + " columns");
            }
        }
        return Kernels.ofProcessor().isPresent()
                ? Optional.empty()
                : Optional.of("they need an x86-64 processor with AVX2, and GCC 12 or newer when the program is built");
    }

    /** The threads that a call runs on: the option's, else all that this process may use. */
    public static int threads(EngineOptions options) {
        return options.threads() > 0 ? options.threads() : Runtime.getRuntime().availableProcessors();
    }

    /**
     * Loads a packed model, which must stay open as long as this.
     *
     * @param context tokens of a sequence
     * @throws IllegalArgumentException when there is an {@link #obstacle}
     */
    public static CpuProgram load(PackedModel model, EngineOptions options, int context) {
        Kernels kernels =
                Kernels.ofProcessor().orElseThrow(() -> new IllegalArgumentException("the kernels are not there"));
        try {
            CpuWeights weights = new CpuWeights(model, kernels);
            try {
                return new CpuProgram(kernels, weights, model, options, context);
            } catch (RuntimeException | Error e) {
                weights.close();
                throw e;
            }
        } catch (NoRoomException e) {
            throw new IllegalStateException(
                    e.getMessage() + " of the model: give fewer --slots, a shorter --context or a smaller model", e);
        }
    }

    private MemorySegment numbers(long rows, long columns) {
        return LargePages.allocate(rows * columns * FLOAT, arena);
    }

    private int hidden() {
        return architecture.hiddenSize();
    }

    /** Some rows of (rows, hidden). */
    private MemorySegment rows(MemorySegment of, long from, long count) {
        long bytes = hidden() * FLOAT;
        return of.asSlice(from * bytes, count * bytes);
    }

    private void copyRow(MemorySegment from, long row, MemorySegment to, long place) {
        MemorySegment.copy(from, row * hidden() * FLOAT, to, place * hidden() * FLOAT, hidden() * FLOAT);
    }

    @Override
    public long busyNanos() {
        return busyNanos;
    }

    @Override
    public double[] verify(int[] ids, List<Rows> rows, Choice choice) {
        long start = System.nanoTime();
        forward(ids, rows);
        double[] chosen = new double[2 * (ids.length - choice.from())];
        if (chosen.length > 0) {
            int chosenRows = ids.length - choice.from();
            MemorySegment source = rows(normed, choice.from(), chosenRows);
            kernels.linear(workspace, weights.lmHead, source, chosenRows, logits);
            int row = 0;
            for (Selection.Part part : choice.selection().parts()) {
                int from = choice.from() + row;
                int[] tokens = Arrays.copyOfRange(ids, from, from + part.tree().nodes());
                this.choice.choose(part, logits.asSlice(row * logitBytes()), tokens, chosen, 2 * row);
                row += part.tree().nodes();
            }
        }
        busyNanos += System.nanoTime() - start;
        return chosen;
    }

    private long logitBytes() {
        return architecture.vocabSize() * FLOAT;
    }

    /** The base over fresh rows: fills {@link #tap} and {@link #normed}. */
    private void forward(int[] ids, List<Rows> rows) {
        for (int row = 0; row < ids.length; row++) {
            weights.embedding.lookUp(ids[row], rows(x, row, 1));
        }
        MemorySegment batch = caches.sequences(sequences, rows, shapes);
        int tapLayer = architecture.layers() - draft.forkedLayers();
        kernels.decode(shape, weights.layers, 0, tapLayer, workspace, batch, rows.size(), x);
        if (draft.forkedLayers() > 0) {
            MemorySegment.copy(x, 0, tap, 0, ids.length * (long) hidden() * FLOAT);
            kernels.decode(shape, weights.layers, tapLayer, architecture.layers(), workspace, batch, rows.size(), x);
        }
        kernels.norm(shape, weights.norm, x, ids.length, normed);
        if (draft.forkedLayers() == 0) {
            MemorySegment.copy(normed, 0, tap, 0, ids.length * (long) hidden() * FLOAT);
        }
    }

    @Override
    public double[] logProbabilities(int[] ids, Rows rows) {
        forward(ids, List.of(rows));
        kernels.linear(workspace, weights.lmHead, normed, ids.length, logits);
        int vocabulary = architecture.vocabSize();
        double[] all = new double[ids.length * vocabulary];
        for (int row = 0; row < ids.length; row++) {
            float[] own = logits.asSlice(row * logitBytes(), logitBytes()).toArray(ValueLayout.JAVA_FLOAT);
            double largest = Double.NEGATIVE_INFINITY;
            for (float each : own) {
                largest = Math.max(largest, each);
            }
            double sum = 0;
            for (float each : own) {
                sum += Math.exp(each - largest);
            }
            double normalizer = largest + Math.log(sum);
            for (int token = 0; token < vocabulary; token++) {
                all[row * vocabulary + token] = own[token] - normalizer;
            }
        }
        return all;
    }

    @Override
    public float[] logits(int[] ids) {
        forward(ids, List.of(new Rows(0, 0, new RowShape.Run(ids.length))));
        kernels.linear(workspace, weights.lmHead, rows(normed, ids.length - 1, 1), 1, logits);
        return logits.asSlice(0, logitBytes()).toArray(ValueLayout.JAVA_FLOAT);
    }

    @Override
    public float[] headLogits(int tokens) {
        int[] all = IntStream.range(0, tokens).toArray();
        headLogits(tap, 0, all, List.of(new Rows(0, 0, new RowShape.Run(tokens))), draft.heads());
        return logits.asSlice(0, draft.heads() * logitBytes()).toArray(ValueLayout.JAVA_FLOAT);
    }

    @Override
    public void keep(int slot, int start, int[] nodes) {
        long begin = System.nanoTime();
        MemorySegment.copy(nodes, 0, path, ValueLayout.JAVA_INT, 0, nodes.length);
        kernels.keep(shape, architecture.layers(), caches.keys(slot), caches.values(slot), start, path, nodes.length);
        busyNanos += System.nanoTime() - begin;
    }

    @Override
    public Guesses draft(int[] accepted, List<Rows> rows, DraftShape wanted) {
        return draft(tap, 0, accepted, rows, wanted);
    }

    @Override
    public int mostUndraftedRows() {
        return context;
    }

    @Override
    public void putAside(int slot, int place, int row) {
        copyRow(tap, row, undrafted, (long) slot * context + place);
    }

    @Override
    public Guesses draftLate(Rows rows, DraftShape wanted) {
        int count = rows.shape().count();
        int read = 0;
        for (; count - read > UNDRAFTED_ROWS; read += UNDRAFTED_ROWS) {
            draftLate(rows, read, UNDRAFTED_ROWS, DraftShape.NONE);
        }
        return draftLate(rows, read, count - read, wanted);
    }

    private Guesses draftLate(Rows rows, int from, int count, DraftShape wanted) {
        Rows some = new Rows(rows.slot(), rows.start() + from, new RowShape.Run(count));
        int[] all = IntStream.range(0, count).toArray();
        return draft(undrafted, (long) rows.slot() * context + from, all, List.of(some), wanted);
    }

    private Guesses draft(MemorySegment source, long first, int[] accepted, List<Rows> rows, DraftShape wanted) {
        int ranks = wanted.ranks();
        long start = System.nanoTime();
        Guesses guesses = ranks == 0 ? Guesses.NONE : room(wanted, rows.size());
        if (ranks == 0) {
            draftLayers(source, first, accepted, rows);
        } else {
            headLogits(source, first, accepted, rows, wanted.heads());
            takeBest(wanted.heads() * rows.size(), ranks, guesses, 0);
        }
        busyNanos += System.nanoTime() - start;
        return guesses;
    }

    @Override
    public Guesses draftEach(Rows rows, DraftShape wanted) {
        long start = System.nanoTime();
        int count = rows.shape().count();
        draftLayers(tap, 0, IntStream.range(0, count).toArray(), List.of(rows));
        normDrafted(count);
        Guesses guesses = room(wanted, count);
        for (int head = 0; head < wanted.heads(); head++) {
            // The base's states were of use for its own logits only.
            MemorySegment out = rows(normed, 0, count);
            residuals(head, count, out);
            MemorySegment matrix = draft.sharedLmHead() ? weights.lmHead : weights.headLmHeads.get(head);
            kernels.linear(workspace, matrix, out, count, logits);
            takeBest(count, wanted.ranks(), guesses, head * count * wanted.ranks());
        }
        busyNanos += System.nanoTime() - start;
        return guesses;
    }

    private static Guesses room(DraftShape wanted, int rows) {
        int count = wanted.heads() * rows * wanted.ranks();
        return new Guesses(new int[count], new float[count]);
    }

    /** The best tokens of the first rows of logits, which become probabilities, from a place on. */
    private void takeBest(int rows, int ranks, Guesses guesses, int at) {
        for (int row = 0; row < rows; row++) {
            MemorySegment own = logits.asSlice(row * logitBytes(), logitBytes());
            kernels.top(own, architecture.vocabSize(), places, ranks);
            kernels.softmax(own, architecture.vocabSize(), 1);
            for (int rank = 0; rank < ranks; rank++) {
                int token = places.getAtIndex(ValueLayout.JAVA_INT, rank);
                guesses.tokens()[at + row * ranks + rank] = token;
                guesses.probabilities()[at + row * ranks + rank] = own.getAtIndex(ValueLayout.JAVA_FLOAT, token);
            }
        }
    }

    /** Runs the forked layers over rows of {@code source}, counted from {@code first}; fills {@link #drafted}. */
    private void draftLayers(MemorySegment source, long first, int[] accepted, List<Rows> rows) {
        for (int row = 0; row < accepted.length; row++) {
            copyRow(source, first + accepted[row], drafted, row);
        }
        if (draft.forkedLayers() > 0) {
            MemorySegment batch = draftCaches.sequences(sequences, rows, shapes);
            kernels.decode(
                    shape, weights.forkedLayers, 0, draft.forkedLayers(), workspace, batch, rows.size(), drafted);
        }
    }

    /** The first heads' logits after the last row of each sequence, (heads, sequences, vocabulary). */
    private void headLogits(MemorySegment source, long first, int[] accepted, List<Rows> rows, int heads) {
        draftLayers(source, first, accepted, rows);
        int count = rows.size();
        int last = -1;
        for (int sequence = 0; sequence < count; sequence++) {
            last += rows.get(sequence).shape().count();
            copyRow(drafted, last, drafted, sequence);
        }
        normDrafted(count);
        for (int head = 0; head < heads; head++) {
            residuals(head, count, rows(states, (long) head * count, count));
        }
        if (draft.sharedLmHead()) {
            kernels.linear(workspace, weights.lmHead, states, (long) heads * count, logits);
        } else {
            for (int head = 0; head < heads; head++) {
                MemorySegment out = logits.asSlice((long) head * count * logitBytes());
                kernels.linear(
                        workspace, weights.headLmHeads.get(head), rows(states, (long) head * count, count), count, out);
            }
        }
    }

    private void normDrafted(int count) {
        if (draft.forkedLayers() > 0) {
            kernels.norm(shape, weights.forkedNorm, drafted, count, drafted);
        }
    }

    /** A head's blocks over the first rows of {@link #drafted}. */
    private void residuals(int head, int count, MemorySegment out) {
        MemorySegment in = rows(drafted, 0, count);
        for (CpuWeights.Residual block : weights.residuals.get(head)) {
            // The kernel reads its input when the product is there: a block's result may not take its place.
            MemorySegment result = in.address() == out.address() ? rows(x, 0, count) : out;
            kernels.residual(workspace, block.matrix(), block.bias(), in, count, result);
            in = result;
        }
        if (in.address() != out.address()) {
            out.copyFrom(in);
        }
    }

    @Override
    public void close() {
        shapes.close();
        weights.close();
    }
}
