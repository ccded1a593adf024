package dev.hydrallm.engine.cpu;

import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.RowShape;
import dev.hydrallm.engine.Selection;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.natives.NoRoomException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A model with int8 weights on the program's own kernels: one call runs all decoder layers. Whatever is computed of a row has the
 * same bits alone, among other rows, and as a node of a draft tree.
 */
public final class CpuProgram implements DecoderProgram {
    /** Inputs whose products of 8 bits cannot overflow their sum. */
    static final int MOST_INPUTS = Integer.MAX_VALUE / (255 * 127);

    private final Kernels kernels;
    private final Architecture architecture;
    private final int forkedLayers;
    private final CpuWeights weights;
    private final StepMemory memory;
    private final KvCaches caches;
    private final CpuDrafter drafter;
    private final TokenChoice choice;
    private final MemorySegment path;
    private final int context;
    private long busyNanos;

    private CpuProgram(Kernels kernels, CpuWeights weights, PackedModel model, EngineOptions options, int context) {
        this.kernels = kernels;
        this.weights = weights;
        this.context = context;
        Arena arena = weights.arena();
        architecture = model.architecture();
        DraftLayout draft = model.draft();
        forkedLayers = draft.forkedLayers();
        StepRoom room = StepRoom.of(draft, options, context);
        memory = new StepMemory(kernels, architecture, room, threads(options), arena);
        caches = new KvCaches(architecture, architecture.layers(), room, arena);
        drafter = new CpuDrafter(memory, weights, architecture, draft, room);
        path = arena.allocate(ValueLayout.JAVA_INT, room.rows());
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

    @Override
    public long busyNanos() {
        return busyNanos;
    }

    /** Adds what a call takes to the busy time. */
    private <T> T busy(Supplier<T> call) {
        long start = System.nanoTime();
        T result = call.get();
        busyNanos += System.nanoTime() - start;
        return result;
    }

    @Override
    public double[] verify(int[] ids, List<Rows> rows, Choice choice) {
        return busy(() -> {
            forward(ids, rows);
            double[] chosen = new double[2 * (ids.length - choice.from())];
            if (chosen.length > 0) {
                choose(ids, choice, chosen);
            }
            return chosen;
        });
    }

    private void choose(int[] ids, Choice choice, double[] chosen) {
        int chosenRows = ids.length - choice.from();
        MemorySegment source = memory.rows(memory.normed, choice.from(), chosenRows);
        kernels.linear(memory.workspace, weights.lmHead, source, chosenRows, memory.logits);
        int row = 0;
        for (Selection.Part part : choice.selection().parts()) {
            int from = choice.from() + row;
            int[] tokens = Arrays.copyOfRange(ids, from, from + part.tree().nodes());
            this.choice.choose(part, memory.logitsFrom(row), tokens, chosen, 2 * row);
            row += part.tree().nodes();
        }
    }

    /** The base over fresh rows: fills the memory's tap and normed rows. */
    private void forward(int[] ids, List<Rows> rows) {
        MemorySegment x = memory.x;
        for (int row = 0; row < ids.length; row++) {
            weights.embedding.lookUp(ids[row], memory.rows(x, row, 1));
        }
        int tapLayer = architecture.layers() - forkedLayers;
        StepMemory.Batch batch = memory.batch(caches, rows);
        memory.decode(weights.layers, 0, tapLayer, batch, x);
        if (forkedLayers > 0) {
            memory.copyRows(x, 0, memory.tap, 0, ids.length);
            memory.decode(weights.layers, tapLayer, architecture.layers(), batch, x);
        }
        kernels.norm(memory.shape, weights.norm, x, ids.length, memory.normed);
        if (forkedLayers == 0) {
            memory.copyRows(memory.normed, 0, memory.tap, 0, ids.length);
        }
    }

    @Override
    public double[] logProbabilities(int[] ids, Rows rows) {
        forward(ids, List.of(rows));
        kernels.linear(memory.workspace, weights.lmHead, memory.normed, ids.length, memory.logits);
        int vocabulary = architecture.vocabSize();
        double[] all = new double[ids.length * vocabulary];
        for (int row = 0; row < ids.length; row++) {
            float[] own = memory.logits(row).toArray(ValueLayout.JAVA_FLOAT);
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
        MemorySegment last = memory.rows(memory.normed, ids.length - 1, 1);
        kernels.linear(memory.workspace, weights.lmHead, last, 1, memory.logits);
        return memory.logits(0).toArray(ValueLayout.JAVA_FLOAT);
    }

    @Override
    public float[] headLogits(int[] next) {
        return drafter.headLogits(next);
    }

    @Override
    public void keep(int slot, int start, int[] nodes) {
        long begin = System.nanoTime();
        MemorySegment.copy(nodes, 0, path, ValueLayout.JAVA_INT, 0, nodes.length);
        kernels.keep(
                memory.shape, architecture.layers(), caches.keys(slot), caches.values(slot), start, path, nodes.length);
        busyNanos += System.nanoTime() - begin;
    }

    @Override
    public Guesses draft(Accepted accepted, List<Rows> rows, DraftShape wanted) {
        return busy(() -> drafter.draft(accepted, rows, wanted));
    }

    @Override
    public Guesses draftEach(int[] next, Rows rows, DraftShape wanted) {
        return busy(() -> drafter.draftEach(next, rows, wanted));
    }

    @Override
    public int mostUndraftedRows() {
        return context;
    }

    @Override
    public void putAside(int slot, int place, int row) {
        drafter.putAside(slot, place, row);
    }

    @Override
    public Guesses draftLate(int[] next, Rows rows, DraftShape wanted) {
        return busy(() -> drafter.draftLate(next, rows, wanted));
    }

    @Override
    public void close() {
        memory.close();
        weights.close();
    }
}
