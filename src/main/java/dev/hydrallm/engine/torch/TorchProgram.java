package dev.hydrallm.engine.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.engine.torch.RowShapes.RowShape;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.PackedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A model's compiled program with all that it holds on the device: weights, KV caches, and the rows that the draft layers
 * read.
 *
 * <p>A sequence's cache is one tensor, (2 layers, 1, kv heads, rows, head dim): keys of layer 0, its values, keys of
 * layer 1 …. The draft layers have one of their own, written for accepted tokens only.
 */
final class TorchProgram implements AutoCloseable {
    /** Rows of a slot that wait for the draft layers at most. */
    static final int UNDRAFTED_ROWS = 128;

    /** Weights from which on the heap's leftovers are worth a call or two. */
    private static final long LARGE_MODEL = 50_000_000;

    private final PtNDManager manager;
    private final Script script;
    private final TorchWeights weights;
    private final RowShapes shapes;
    private final Values values = new Values();
    private final IValue rotary;
    private final IValue tap;
    private final List<IValue> caches;
    private final List<IValue> draftCaches;
    private final List<IValue> undrafted;

    /** Fresh rows of one sequence behind its first {@code start} committed ones. */
    record Rows(int slot, int start, RowShape shape) {}

    /** What to choose: nothing, or the tokens after the rows from {@code from} on. */
    record Choice(int from, Selection selection) {}

    TorchProgram(PackedModel model, TorchOptions options, int context, ActivationRange range) {
        Architecture shape = model.architecture();
        // A tree's rows stand behind the last committed one.
        int cacheRows = context + options.maxNodes();
        manager = (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch");
        LinearKind kind = LinearKind.of(model.manifest().quantization());
        script = Script.compile(manager, ProgramText.CLASS_NAME, ProgramText.of(shape, model.draft(), kind, range));
        shapes = new RowShapes(manager);
        boolean large = model.weights() >= LARGE_MODEL;
        if (large) {
            NativeHeap.giveBackBlocks();
        }
        try (Int8Matrices int8 = new Int8Matrices(model, manager, script)) {
            weights = new TorchWeights(model, manager, kind, int8, values);
            model.awaitVerified();
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        } finally {
            if (large) {
                NativeHeap.keepBlocks();
            }
        }
        PtNDArray angles = values.keep(manager.create(
                Rotary.table(shape, context, cacheRows),
                new Shape(cacheRows, shape.headDim() / 2, 2),
                DataType.FLOAT32));
        rotary = values.keep(script.call("complexPairs", values.of(angles)));
        int batchRows = Math.max(options.maxNodes(), options.prefillChunk());
        tap = values.of(values.keep(manager.create(new Shape(batchRows, shape.hiddenSize()), DataType.FLOAT32)));
        caches = caches(shape, shape.layers(), options.slots(), cacheRows);
        draftCaches = caches(shape, model.draft().forkedLayers(), options.slots(), cacheRows);
        undrafted = tensors(options.slots(), new Shape(UNDRAFTED_ROWS, shape.hiddenSize()));
    }

    private List<IValue> caches(Architecture shape, int layers, int slots, int rows) {
        return tensors(slots, new Shape(2L * layers, 1, shape.kvHeads(), rows, shape.headDim()));
    }

    private List<IValue> tensors(int count, Shape size) {
        return IntStream.range(0, count)
                .mapToObj(slot -> values.of(values.keep(manager.create(size, DataType.FLOAT32))))
                .toList();
    }

    RowShapes shapes() {
        return shapes;
    }

    long busyNanos() {
        return script.busyNanos();
    }

    /**
     * One forward over fresh rows.
     *
     * @param ids token of each row
     * @return for each row chosen after: token and score
     */
    double[] verify(int[] ids, List<Rows> rows, Choice choice) {
        try (Values scope = new Values()) {
            Selection selection = choice.selection();
            List<IValue> arguments = forwardArguments(ids, rows, scope);
            arguments.add(scope.of(choice.from()));
            arguments.add(scope.list(selection.rules()));
            arguments.add(scope.list(selection.settings()));
            arguments.add(scope.list(selection.uniforms()));
            arguments.add(scope.list(selection.parents()));
            IValue result = call("verify", arguments, scope);
            return choice.from() == ids.length
                    ? new double[0]
                    : scope.keep(result.toTensor(manager)).toDoubleArray();
        }
    }

    /**
     * One forward over fresh rows of one sequence.
     *
     * @return natural logarithm of the probability of every token after each row, (rows * vocabulary)
     */
    double[] logProbabilities(int[] ids, Rows rows) {
        try (Values scope = new Values()) {
            IValue result = call("logProbabilities", forwardArguments(ids, List.of(rows), scope), scope);
            return scope.keep(result.toTensor(manager)).toDoubleArray();
        }
    }

    /** The base's logits after a run of tokens in an empty slot 0, (vocabulary). */
    float[] logits(int[] ids) {
        try (Values scope = new Values()) {
            List<Rows> rows = List.of(new Rows(0, 0, shapes.run(ids.length)));
            IValue result = call("logits", forwardArguments(ids, rows, scope), scope);
            return scope.keep(result.toTensor(manager)).toFloatArray();
        }
    }

    /** Every head's logits after the run of tokens that {@link #logits} was called with, (heads * vocabulary). */
    float[] headLogits(int tokens) {
        try (Values scope = new Values()) {
            List<Rows> rows = List.of(new Rows(0, 0, shapes.run(tokens)));
            int[] all = IntStream.range(0, tokens).toArray();
            IValue states = call("draftStates", draftArguments(tap, all, rows, scope), scope);
            IValue result = call(
                    "headLogits",
                    new ArrayList<>(List.of(states, weights.residuals, weights.residualBiases, weights.headLmHeads)),
                    scope);
            return scope.keep(result.toTensor(manager)).toFloatArray();
        }
    }

    /** Moves the cache rows of a verified path to where the committed rows end. */
    void keep(int slot, int start, int[] path) {
        try (Values scope = new Values()) {
            call("keep", List.of(caches.get(slot), scope.of(start), scope.list(path)), scope);
        }
    }

    /**
     * Runs the draft layers over rows of the last forward, and the heads over the last of each sequence.
     *
     * @param accepted rows of the last forward, sequence by sequence
     * @param rows the same rows as the caches take them
     * @param ranks candidates of each head; 0 runs the layers alone
     * @return token ids, (heads, sequences, ranks)
     */
    long[] draft(int[] accepted, List<Rows> rows, int ranks) {
        return draft(tap, accepted, rows, ranks);
    }

    private long[] draft(IValue source, int[] accepted, List<Rows> rows, int ranks) {
        try (Values scope = new Values()) {
            List<IValue> arguments = draftArguments(source, accepted, rows, scope);
            arguments.addAll(2, List.of(weights.residuals, weights.residualBiases, weights.headLmHeads));
            arguments.add(scope.of(ranks));
            IValue result = call("draft", arguments, scope);
            return ranks == 0
                    ? new long[0]
                    : scope.keep(result.toTensor(manager)).toLongArray();
        }
    }

    /**
     * Puts a row of the last forward aside, for {@link #draftLate}.
     *
     * @param place rows of the slot that wait already
     */
    void putAside(int slot, int place, int row) {
        try (Values scope = new Values()) {
            call("putAside", List.of(tap, scope.of(row), undrafted.get(slot), scope.of(place)), scope);
        }
    }

    /**
     * As {@link #draft}, over all rows that were put aside.
     *
     * @param rows those rows as the cache takes them
     */
    long[] draftLate(Rows rows, int ranks) {
        int[] all = IntStream.range(0, rows.shape().count()).toArray();
        return draft(undrafted.get(rows.slot()), all, List.of(rows), ranks);
    }

    private IValue call(String method, List<IValue> arguments, Values scope) {
        return scope.keep(script.call(method, arguments.toArray(IValue[]::new)));
    }

    private List<IValue> forwardArguments(int[] ids, List<Rows> rows, Values scope) {
        List<IValue> arguments = new ArrayList<>(List.of(
                weights.embedding,
                weights.layers,
                weights.norms,
                weights.lmHead,
                rotary,
                tap,
                scope.list(ids),
                cachesOf(caches, rows, scope)));
        arguments.addAll(placeOf(rows, scope));
        return arguments;
    }

    private List<IValue> draftArguments(IValue source, int[] accepted, List<Rows> rows, Values scope) {
        List<IValue> arguments = new ArrayList<>(List.of(
                weights.forkLayers,
                weights.forkNorms,
                rotary,
                source,
                cachesOf(draftCaches, rows, scope),
                scope.list(accepted)));
        arguments.addAll(placeOf(rows, scope));
        return arguments;
    }

    /** Where rows stand and what they see: starts, counts, masks, depths. */
    private static List<IValue> placeOf(List<Rows> rows, Values scope) {
        return List.of(
                scope.list(rows.stream().mapToInt(Rows::start).toArray()),
                scope.list(rows.stream().mapToInt(each -> each.shape().count()).toArray()),
                scope.tensors(rows.stream().map(each -> each.shape().mask()).toList()),
                scope.tensors(rows.stream().map(each -> each.shape().depths()).toList()));
    }

    private static IValue cachesOf(List<IValue> caches, List<Rows> rows, Values scope) {
        return scope.list(rows.stream().map(each -> caches.get(each.slot())).toList());
    }

    @Override
    public void close() {
        shapes.close();
        values.close();
        script.close();
        manager.close();
    }
}
