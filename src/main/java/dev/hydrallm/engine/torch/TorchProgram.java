package dev.hydrallm.engine.torch;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.Rotary;
import dev.hydrallm.engine.RowShape;
import dev.hydrallm.engine.RowShapeCache;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.PackedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A model on libtorch's operators: its compiled program with all that it holds.
 *
 * <p>With int8 weights a row's products do not depend on the rows beside it, so a request gives the same tokens with or
 * without speculation, alone or in a batch, but for what attention's order of summation leaves in the last bits.
 *
 * <p>A sequence's cache is one tensor, (2 layers, 1, kv heads, rows, head dim): keys of layer 0, its values, keys of
 * layer 1 …. The draft layers have one of their own, written for accepted tokens only.
 */
public final class TorchProgram implements DecoderProgram {
    /** Below it threads that meet after every operator cost more than they bring (docs/performance.md). */
    private static final long FEWEST_WEIGHTS_FOR_ALL_THREADS = 250_000_000;

    /** Weights from which on the heap's leftovers are worth a call or two. */
    private static final long LARGE_MODEL = 50_000_000;

    private final PtNDManager manager;
    private final Script script;
    private final TorchWeights weights;
    private final RowShapeCache<RowTensors> shapes;
    private final Values values = new Values();
    private final IValue rotary;
    private final IValue tap;
    private final List<IValue> caches;
    private final List<IValue> draftCaches;
    private final List<IValue> undrafted;
    private final int heads;

    /**
     * Loads a packed model, which must stay open as long as this.
     *
     * @param context tokens of a sequence
     */
    public static TorchProgram load(PackedModel model, EngineOptions options, int context) {
        TorchNatives.load();
        JniUtils.setNumThreads(threads(model, options));
        return new TorchProgram(model, options, context, ActivationRange.ofProcessor());
    }

    /** The threads that a model's operators run on: the option's, else one for a small model and all for others. */
    public static int threads(PackedModel model, EngineOptions options) {
        if (options.threads() > 0) {
            return options.threads();
        }
        return model.weights() < FEWEST_WEIGHTS_FOR_ALL_THREADS
                ? 1
                : Runtime.getRuntime().availableProcessors();
    }

    TorchProgram(PackedModel model, EngineOptions options, int context, ActivationRange range) {
        Architecture shape = model.architecture();
        // A tree's rows stand behind the last committed one.
        int cacheRows = context + options.maxNodes();
        manager = (PtNDManager) NDManager.newBaseManager(Device.cpu(), "PyTorch");
        LinearKind kind = LinearKind.of(model.manifest().quantization());
        script = Script.compile(manager, ProgramText.CLASS_NAME, ProgramText.of(shape, model.draft(), kind, range));
        shapes = new RowShapeCache<>(rows -> RowTensors.of(rows, manager), options.slots());
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
        heads = model.draft().heads();
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

    @Override
    public long busyNanos() {
        return script.busyNanos();
    }

    @Override
    public double[] verify(int[] ids, List<Rows> rows, Choice choice) {
        try (Values scope = new Values()) {
            SelectionNumbers selection = new SelectionNumbers(choice.selection());
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

    @Override
    public double[] logProbabilities(int[] ids, Rows rows) {
        try (Values scope = new Values()) {
            IValue result = call("logProbabilities", forwardArguments(ids, List.of(rows), scope), scope);
            return scope.keep(result.toTensor(manager)).toDoubleArray();
        }
    }

    @Override
    public float[] logits(int[] ids) {
        try (Values scope = new Values()) {
            List<Rows> rows = List.of(new Rows(0, 0, new RowShape.Run(ids.length)));
            IValue result = call("logits", forwardArguments(ids, rows, scope), scope);
            return scope.keep(result.toTensor(manager)).toFloatArray();
        }
    }

    @Override
    public float[] headLogits(int tokens) {
        try (Values scope = new Values()) {
            List<Rows> rows = List.of(new Rows(0, 0, new RowShape.Run(tokens)));
            int[] all = IntStream.range(0, tokens).toArray();
            IValue states = call("draftStates", draftArguments(tap, all, rows, scope), scope);
            IValue result = call(
                    "headLogits",
                    new ArrayList<>(List.of(
                            states, weights.residuals, weights.residualBiases, weights.headLmHeads, scope.of(heads))),
                    scope);
            return scope.keep(result.toTensor(manager)).toFloatArray();
        }
    }

    @Override
    public void keep(int slot, int start, int[] path) {
        try (Values scope = new Values()) {
            call("keep", List.of(caches.get(slot), scope.of(start), scope.list(path)), scope);
        }
    }

    @Override
    public long[] draft(int[] accepted, List<Rows> rows, DraftShape wanted) {
        return draft(tap, accepted, rows, wanted);
    }

    private long[] draft(IValue source, int[] accepted, List<Rows> rows, DraftShape wanted) {
        try (Values scope = new Values()) {
            List<IValue> arguments = draftArguments(source, accepted, rows, scope);
            arguments.addAll(2, List.of(weights.residuals, weights.residualBiases, weights.headLmHeads));
            arguments.add(scope.of(wanted.heads()));
            arguments.add(scope.of(wanted.ranks()));
            IValue result = call("draft", arguments, scope);
            return wanted.ranks() == 0
                    ? new long[0]
                    : scope.keep(result.toTensor(manager)).toLongArray();
        }
    }

    @Override
    public void putAside(int slot, int place, int row) {
        try (Values scope = new Values()) {
            call("putAside", List.of(tap, scope.of(row), undrafted.get(slot), scope.of(place)), scope);
        }
    }

    @Override
    public long[] draftLate(Rows rows, DraftShape wanted) {
        int[] all = IntStream.range(0, rows.shape().count()).toArray();
        return draft(undrafted.get(rows.slot()), all, List.of(rows), wanted);
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
    private List<IValue> placeOf(List<Rows> rows, Values scope) {
        return List.of(
                scope.list(rows.stream().mapToInt(Rows::start).toArray()),
                scope.list(rows.stream().mapToInt(each -> each.shape().count()).toArray()),
                scope.tensors(rows.stream()
                        .map(each -> shapes.of(each.shape()).mask())
                        .toList()),
                scope.tensors(rows.stream()
                        .map(each -> shapes.of(each.shape()).depths())
                        .toList()));
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
