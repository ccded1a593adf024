package dev.hydrallm.engine.torch;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.Rotary;
import dev.hydrallm.engine.RowShape;
import dev.hydrallm.engine.RowShapeCache;
import dev.hydrallm.engine.Selection;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.PackedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Function;
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

    private final TorchSetting setting;
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
    private final int batchRows;
    private long readingNanos;

    /**
     * Loads a packed model, which must stay open as long as this.
     *
     * @param options their device is the processor or a GPU
     * @param context tokens of a sequence
     * @throws IllegalArgumentException when the GPU is not there, or too small
     */
    public static TorchProgram load(PackedModel model, EngineOptions options, int context) {
        TorchNatives.load();
        JniUtils.setNumThreads(threads(model, options));
        if (options.device() instanceof Device.Cuda gpu) {
            return new TorchProgram(model, options, context, TorchSetting.ofGpu(model, options, gpu, context))
                    .warm(context);
        }
        return new TorchProgram(
                model, options, context, TorchSetting.ofProcessor(model, ActivationRange.ofProcessor()));
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

    TorchProgram(PackedModel model, EngineOptions options, int context, TorchSetting setting) {
        this.setting = setting;
        Architecture shape = model.architecture();
        Arithmetic arithmetic = setting.arithmetic();
        // A tree's rows stand behind the last committed one.
        int cacheRows = context + options.maxNodes();
        manager = setting.manager();
        String text = ProgramText.of(
                shape, model.draft(), arithmetic, setting.norm(), setting.range(), setting.scriptDevice());
        script = Script.compile(manager, ProgramText.CLASS_NAME, text);
        shapes = new RowShapeCache<>(rows -> RowTensors.of(rows, manager, arithmetic.maskType()), options.slots());
        boolean large = model.weights() >= LARGE_MODEL;
        if (large) {
            NativeHeap.giveBackBlocks();
        }
        try (Matrices matrices = setting.matrices(model, manager, script, values)) {
            weights = new TorchWeights(model, model.draft(), manager, matrices, setting, values);
            model.awaitVerified();
            // Weights come this way once.
            setting.link().ifPresent(DeviceLink::close);
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
        batchRows = Math.max(options.maxNodes(), options.prefillChunk());
        tap = tensors(1, new Shape(batchRows, shape.hiddenSize()), DataType.FLOAT32)
                .getFirst();
        caches = caches(shape, shape.layers(), options.slots(), cacheRows);
        draftCaches = caches(shape, model.draft().forkedLayers(), options.slots(), cacheRows);
        undrafted = tensors(options.slots(), new Shape(UNDRAFTED_ROWS, shape.hiddenSize()), DataType.FLOAT32);
    }

    /**
     * Runs a whole chunk of a prompt once: a device's libraries begin with their first call, and what it takes of the device's memory is
     * libtorch's from now on.
     */
    private TorchProgram warm(int context) {
        try {
            int rows = Math.min(batchRows, context);
            List<Rows> last = List.of(new Rows(0, context - rows, new RowShape.Run(rows)));
            Selection.Part root = new Selection.Part(new AcceptanceRule.Greedy(), DraftTree.ROOT_ONLY, context - 1);
            verify(new int[rows], last, new Choice(rows - 1, new Selection(List.of(root))));
            if (heads > 0) {
                draft(Accepted.all(new int[rows]), last, new DraftShape(heads, 1));
            }
            return this;
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private List<IValue> caches(Architecture shape, int layers, int slots, int rows) {
        Shape size = new Shape(2L * layers, 1, shape.kvHeads(), rows, shape.headDim());
        return tensors(slots, size, setting.arithmetic().cacheType());
    }

    private List<IValue> tensors(int count, Shape size, DataType type) {
        return IntStream.range(0, count)
                .mapToObj(slot -> values.of(values.keep(manager.create(size, type))))
                .toList();
    }

    @Override
    public long busyNanos() {
        return script.busyNanos() + readingNanos;
    }

    @Override
    public OptionalLong deviceNanos() {
        return setting.clock().map(clock -> OptionalLong.of(clock.nanos())).orElse(OptionalLong.empty());
    }

    @Override
    public double[] verify(int[] ids, List<Rows> rows, Choice choice) {
        try (Values scope = new Values()) {
            SelectionNumbers selection = new SelectionNumbers(choice.selection());
            UploadedNumbers numbers =
                    forwardNumbers(ids, rows).with(selection.uniforms()).with(selection.parents());
            List<IValue> arguments = forwardArguments(numbers, rows, scope);
            arguments.add(scope.of(choice.from()));
            arguments.add(scope.list(selection.rules()));
            arguments.add(scope.list(selection.settings()));
            IValue result = call("verify", arguments, scope);
            return choice.from() == ids.length ? new double[0] : read(result, PtNDArray::toDoubleArray, scope);
        }
    }

    @Override
    public double[] logProbabilities(int[] ids, Rows rows) {
        try (Values scope = new Values()) {
            List<Rows> one = List.of(rows);
            IValue result = call("logProbabilities", forwardArguments(forwardNumbers(ids, one), one, scope), scope);
            return read(result, PtNDArray::toDoubleArray, scope);
        }
    }

    @Override
    public float[] logits(int[] ids) {
        try (Values scope = new Values()) {
            List<Rows> rows = List.of(new Rows(0, 0, new RowShape.Run(ids.length)));
            IValue result = call("logits", forwardArguments(forwardNumbers(ids, rows), rows, scope), scope);
            return read(result, PtNDArray::toFloatArray, scope);
        }
    }

    @Override
    public float[] headLogits(int[] next) {
        try (Values scope = new Values()) {
            List<Rows> rows = List.of(new Rows(0, 0, new RowShape.Run(next.length)));
            IValue states =
                    call("draftStates", draftArguments(tap, Accepted.all(next), lastOf(rows), rows, scope), scope);
            IValue result = call(
                    "headLogits",
                    new ArrayList<>(List.of(
                            states, weights.residuals, weights.residualBiases, weights.headLmHeads, scope.of(heads))),
                    scope);
            return read(result, PtNDArray::toFloatArray, scope);
        }
    }

    @Override
    public void keep(int slot, int start, int[] path) {
        try (Values scope = new Values()) {
            call("keep", List.of(caches.get(slot), scope.of(start), scope.list(path)), scope);
        }
    }

    @Override
    public Guesses draft(Accepted accepted, List<Rows> rows, DraftShape wanted) {
        return draft(tap, accepted, lastOf(rows), rows, wanted);
    }

    @Override
    public Guesses draftEach(int[] next, Rows rows, DraftShape wanted) {
        List<Integer> each = IntStream.range(0, next.length).boxed().toList();
        return draft(tap, Accepted.all(next), each, List.of(rows), wanted);
    }

    /** @param drafting which of the rows the heads read */
    private Guesses draft(
            IValue source, Accepted accepted, List<Integer> drafting, List<Rows> rows, DraftShape wanted) {
        try (Values scope = new Values()) {
            List<IValue> arguments = draftArguments(source, accepted, drafting, rows, scope);
            arguments.addAll(4, List.of(weights.residuals, weights.residualBiases, weights.headLmHeads));
            arguments.add(scope.of(wanted.heads()));
            arguments.add(scope.of(wanted.ranks()));
            IValue result = call("draft", arguments, scope);
            return wanted.ranks() == 0 ? Guesses.NONE : guesses(read(result, PtNDArray::toDoubleArray, scope));
        }
    }

    private static Guesses guesses(double[] tokensThenProbabilities) {
        int count = tokensThenProbabilities.length / 2;
        Guesses guesses = new Guesses(new int[count], new float[count]);
        for (int i = 0; i < count; i++) {
            guesses.tokens()[i] = (int) tokensThenProbabilities[i];
            guesses.probabilities()[i] = (float) tokensThenProbabilities[count + i];
        }
        return guesses;
    }

    @Override
    public void putAside(int slot, int place, int row) {
        try (Values scope = new Values()) {
            call("putAside", List.of(tap, scope.of(row), undrafted.get(slot), scope.of(place)), scope);
        }
    }

    @Override
    public Guesses draftLate(int[] next, Rows rows, DraftShape wanted) {
        List<Rows> one = List.of(rows);
        return draft(undrafted.get(rows.slot()), Accepted.all(next), lastOf(one), one, wanted);
    }

    private IValue call(String method, List<IValue> arguments, Values scope) {
        setting.clock().ifPresent(DeviceClock::start);
        try {
            return scope.keep(script.call(method, arguments.toArray(IValue[]::new)));
        } catch (EngineException e) {
            setting.clock().ifPresent(DeviceClock::abandon);
            throw told(e);
        }
    }

    private RuntimeException told(EngineException e) {
        return DeviceErrors.told(
                e,
                setting.scriptDevice(),
                "this request beside the others: take fewer --slots, a shorter --context or a smaller --tree");
    }

    /** The one transfer from the device, which waits for all that was called. */
    private <T> T read(IValue result, Function<PtNDArray, T> reader, Values scope) {
        long start = System.nanoTime();
        setting.clock().ifPresent(DeviceClock::stop);
        T numbers;
        try {
            numbers = reader.apply(scope.keep(result.toTensor(manager)));
        } catch (EngineException e) {
            throw told(e);
        }
        setting.clock().ifPresent(DeviceClock::add);
        readingNanos += System.nanoTime() - start;
        return numbers;
    }

    private UploadedNumbers forwardNumbers(int[] ids, List<Rows> rows) {
        return UploadedNumbers.of(ids, rows, setting.arithmetic().rows(ids.length));
    }

    private List<IValue> forwardArguments(UploadedNumbers numbers, List<Rows> rows, Values scope) {
        List<IValue> arguments =
                new ArrayList<>(List.of(weights.embedding, weights.layers, weights.norms, weights.lmHead, rotary, tap));
        arguments.addAll(numbers.arguments(scope));
        arguments.add(cachesOf(caches, rows, scope));
        arguments.addAll(placeOf(rows, scope));
        return arguments;
    }

    /** The last row of each sequence. */
    private static List<Integer> lastOf(List<Rows> rows) {
        List<Integer> last = new ArrayList<>();
        int end = 0;
        for (Rows each : rows) {
            end += each.shape().count();
            last.add(end - 1);
        }
        return last;
    }

    private List<IValue> draftArguments(
            IValue source, Accepted accepted, List<Integer> drafting, List<Rows> rows, Values scope) {
        int[] taken = accepted.rows();
        UploadedNumbers numbers = UploadedNumbers.of(
                        taken, rows, setting.arithmetic().rows(taken.length))
                .withEach(accepted.next())
                .with(drafting);
        List<IValue> arguments = new ArrayList<>(
                List.of(weights.embedding, weights.nextToken, weights.forkLayers, weights.forkNorms, rotary, source));
        arguments.addAll(numbers.arguments(scope));
        arguments.add(cachesOf(draftCaches, rows, scope));
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
        setting.close();
        if (setting.device().isGpu()) {
            // libtorch keeps what is freed, and the next model's plan asks CUDA.
            JniUtils.emptyCudaCache();
        }
    }
}
