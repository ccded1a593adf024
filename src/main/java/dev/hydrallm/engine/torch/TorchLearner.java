package dev.hydrallm.engine.torch;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.ModelEngine;
import dev.hydrallm.engine.Rotary;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Sample;
import java.nio.FloatBuffer;
import java.util.List;

/**
 * Draft layers and heads that learn on libtorch: a base of any format reads by the program that also decodes, and what learns is a
 * second program, in whose text libtorch differentiates all but the logits, which never stand in memory whole.
 *
 * <p>A batch is fastest when its samples of one length follow each other.
 */
public final class TorchLearner implements Learner {
    private final FrozenBase base;
    private final PtNDManager manager;
    private final PtNDManager processor;
    private final Script script;
    private final Values values = new Values();
    private final LearnedTensors learned;
    private final DraftLayout draft;
    private final String device;
    private final int context;
    private final int vocabulary;
    private final int chunk;
    private final PtNDArray table;
    private final PtNDArray embedding;
    private final PtNDArray lmHead;

    private record TorchStates(FrozenBase.Read read, int rows) implements States {
        @Override
        public void close() {
            read.close();
        }
    }

    /**
     * Loads the base of a packed model, which must stay open as long as this, and makes room for what learns, all zeros.
     *
     * @param heads what learns, whatever draft layers the model has
     * @throws IllegalArgumentException when the options or heads ask for what the model or device cannot do
     */
    public static TorchLearner load(PackedModel model, DraftLayout heads, LearnerOptions options) {
        LearningLayout layout = new LearningLayout(model.architecture(), heads);
        TorchNatives.load();
        JniUtils.setNumThreads(
                options.threads() > 0 ? options.threads() : Runtime.getRuntime().availableProcessors());
        EngineOptions.Precision precision = options.precision() == LearnerOptions.Precision.DOUBLE
                ? EngineOptions.Precision.SINGLE
                : EngineOptions.Precision.HALF;
        EngineOptions engine = new EngineOptions(1, options.contextLength(), options.threads(), 1, 256)
                .on(EngineOptions.Kind.TORCH)
                .on(options.device())
                .in(precision);
        int context = ModelEngine.contextLength(model, engine);
        TorchSetting setting = options.device() instanceof Device.Cuda gpu
                ? ofGpu(model, layout, options, engine, gpu, context)
                : TorchSetting.ofProcessor(model, ActivationRange.ofProcessor());
        return new TorchLearner(model, layout, options, context, setting);
    }

    private static TorchSetting ofGpu(
            PackedModel model,
            LearningLayout layout,
            LearnerOptions options,
            EngineOptions engine,
            Device.Cuda gpu,
            int context) {
        TorchSetting setting = TorchSetting.ofGpu(model, engine, gpu, context);
        try {
            Arithmetic arithmetic = setting.arithmetic();
            LearningMemory.of(
                            MemoryPlan.of(MemoryPlan.Model.of(model), engine, context, arithmetic),
                            model.architecture(),
                            layout.draft(),
                            layout.parameters(),
                            options,
                            arithmetic)
                    .check(setting.scriptDevice(), Cuda.load().memory());
            return setting;
        } catch (RuntimeException e) {
            setting.close();
            throw e;
        }
    }

    TorchLearner(PackedModel model, LearningLayout layout, LearnerOptions options, int context, TorchSetting setting) {
        this.draft = layout.draft();
        this.context = context;
        device = setting.scriptDevice();
        Architecture shape = model.architecture();
        vocabulary = shape.vocabSize();
        boolean gpu = setting.device().isGpu();
        long atOnce = options.logitsAtOnce(gpu ? LearnerOptions.GPU_CHUNK : LearnerOptions.PROCESSOR_CHUNK);
        chunk = Math.clamp(atOnce / vocabulary, 1, Integer.MAX_VALUE);
        base = new FrozenBase(
                model,
                draft,
                options.distills() ? FrozenBase.Finals.WANTED : FrozenBase.Finals.UNWANTED,
                setting,
                context);
        manager = setting.manager();
        processor = manager.newSubManager(ai.djl.Device.cpu());
        script = Script.compile(
                manager, LearningText.CLASS_NAME, LearningText.of(shape, layout, options, setting.scriptDevice()));
        try {
            DataType type =
                    options.precision() == LearnerOptions.Precision.DOUBLE ? DataType.FLOAT64 : DataType.FLOAT32;
            learned = new LearnedTensors(layout.parameters(), manager, script, type, values);
            table = values.keep(manager.create(
                    Rotary.table(shape, context, context),
                    new Shape(context, shape.headDim() / 2, 2),
                    DataType.FLOAT32));
            PtNDArray nothing = values.keep(manager.create(new Shape(0), DataType.FLOAT32));
            boolean logits = draft.sharedLmHead() || options.distills();
            boolean same = logits && shape.tiedEmbeddings();
            lmHead = logits ? asNumbers(model, shape.tiedEmbeddings() ? "embedding" : "lm_head") : nothing;
            embedding = !draft.has(DraftPart.NEXT_TOKEN) ? nothing : same ? lmHead : asNumbers(model, "embedding");
        } catch (RuntimeException e) {
            close();
            throw told(e);
        } catch (Error e) {
            close();
            throw e;
        }
    }

    private PtNDArray asNumbers(PackedModel model, String matrix) {
        return MatrixAsNumbers.load(model, matrix, manager, script, values);
    }

    @Override
    public int heads() {
        return draft.heads();
    }

    @Override
    public List<Parameter> parameters() {
        return learned.parameters();
    }

    @Override
    public States read(List<Sample> batch) {
        batch.forEach(this::check);
        List<int[]> texts = batch.stream().map(Sample::tokens).toList();
        int rows = texts.stream().mapToInt(text -> text.length).sum();
        try {
            return new TorchStates(base.read(texts, rows), rows);
        } catch (RuntimeException e) {
            throw told(e);
        }
    }

    /** A wrong token would end a GPU's whole process. */
    private void check(Sample sample) {
        if (sample.tokens().length > context) {
            throw new IllegalArgumentException("a sample of " + sample.tokens().length + " tokens is longer than the "
                    + context + " that the base reads");
        }
        for (int token : sample.tokens()) {
            if (token < 0 || token >= vocabulary) {
                throw new IllegalArgumentException("token id " + token + " is not within 0 and " + (vocabulary - 1));
            }
        }
    }

    @Override
    public int bytesPerToken() {
        return base.bytesPerToken();
    }

    @Override
    public byte[] stored(States states) {
        return base.stored(((TorchStates) states).read());
    }

    @Override
    public States restore(List<Sample> batch, byte[] stored) {
        int rows = batch.stream().mapToInt(sample -> sample.tokens().length).sum();
        try {
            return new TorchStates(base.restore(rows, stored), rows);
        } catch (RuntimeException e) {
            throw told(e);
        }
    }

    @Override
    public List<HeadSums> learn(List<Sample> batch, States states, double[] weights) {
        if (weights.length != heads()) {
            throw new IllegalArgumentException(weights.length + " weights for " + heads() + " heads");
        }
        return forward(batch, (TorchStates) states, weights, Script.Gradients.RECORDED);
    }

    @Override
    public List<HeadSums> measure(List<Sample> batch, States states) {
        return forward(batch, (TorchStates) states, new double[heads()], Script.Gradients.NONE);
    }

    private List<HeadSums> forward(
            List<Sample> batch, TorchStates states, double[] weights, Script.Gradients gradients) {
        batch.forEach(this::check);
        LearningBatch rows = LearningBatch.of(batch, heads());
        if (rows.rows() != states.rows()) {
            throw new IllegalArgumentException("states of " + states.rows() + " tokens with a batch of " + rows.rows());
        }
        if (rows.labels() == 0) {
            return rows.noSums();
        }
        try (Values scope = new Values()) {
            NDList arguments = new NDList(
                    scope.keep(processor.create(rows.control(gradients, chunk))),
                    scope.keep(processor.create(weights)),
                    scope.keep(manager.create(rows.indices(), new Shape(2, rows.labels()))),
                    states.read().states(),
                    draft.has(DraftPart.NEXT_TOKEN) ? scope.keep(manager.create(LearningBatch.next(batch))) : embedding,
                    embedding,
                    lmHead,
                    table);
            arguments.addAll(learned.inputs());
            states.read().finals().ifPresent(arguments::add);
            NDArray result = scope.own(script.forward(arguments, gradients));
            return rows.sums(result.toDoubleArray());
        } catch (RuntimeException e) {
            throw told(e);
        }
    }

    @Override
    public double update(Update update) {
        try (Values scope = new Values()) {
            IValue norm = scope.keep(script.call(
                    "update",
                    learned.values(),
                    learned.gradients(),
                    learned.firstMoments(),
                    learned.secondMoments(),
                    scope.list(
                            (double) update.number(),
                            update.learningRate(),
                            update.beta1(),
                            update.beta2(),
                            update.epsilon(),
                            update.weightDecay(),
                            update.maxGradientNorm())));
            return scope.keep(norm.toTensor(manager)).toDoubleArray()[0];
        } catch (RuntimeException e) {
            throw told(e);
        }
    }

    /** The gradient so far. */
    void exportGradient(Parameter parameter, FloatBuffer into) {
        learned.exportGradient(parameter, into);
    }

    @Override
    public void export(Parameter parameter, Part part, FloatBuffer into) {
        learned.export(parameter, part, into);
    }

    @Override
    public void set(Parameter parameter, Part part, FloatBuffer from) {
        learned.set(parameter, part, from);
    }

    private RuntimeException told(RuntimeException e) {
        return e instanceof EngineException failure
                ? DeviceErrors.told(
                        failure,
                        device,
                        "learning: take a smaller batch, shorter samples or fewer forked layers, or heads that share the base's"
                                + " language-model head")
                : e;
    }

    @Override
    public void close() {
        values.close();
        script.close();
        processor.close();
        manager.close();
        base.close();
        if (manager.getDevice().isGpu()) {
            // libtorch keeps what is freed, and the next model's plan asks CUDA.
            JniUtils.emptyCudaCache();
        }
    }
}
