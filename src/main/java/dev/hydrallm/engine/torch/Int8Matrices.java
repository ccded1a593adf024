package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import dev.hydrallm.engine.Int8Source;
import dev.hydrallm.engine.Int8Source.Int8Matrix;
import dev.hydrallm.engine.Tasks;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Makes the int8 program's matrices of a model's, whatever the format they are stored in. Every processor takes the next one
 * that was asked for as soon as it is read, turns it into int8 rows and packs those for fbgemm, which goes over each byte alone and
 * takes longer than all the rest. What is stored is released then, so that the model is not held twice.
 *
 * <p>Made, used and closed on one thread.
 */
final class Int8Matrices implements AutoCloseable {
    private final Int8Source source;
    private final PtNDManager manager;
    private final Script script;
    private final List<Begun> begun = new ArrayList<>();
    private final ExecutorService processors;

    /** The embedding, where it is looked up as int8 rows: a tied language-model head is made of the same. */
    private volatile Optional<Int8Matrix> lookup = Optional.empty();

    /** A matrix that is on its way. */
    static final class Begun {
        private final Future<IValue> packed;
        private boolean taken;

        private Begun(Future<IValue> packed) {
            this.packed = packed;
        }
    }

    Int8Matrices(PackedModel model, PtNDManager manager, Script script) {
        this.source = new Int8Source(model);
        this.manager = manager;
        this.script = script;
        // Threads start with the first matrix: a model in single precision has none.
        processors = Executors.newFixedThreadPool(
                Runtime.getRuntime().availableProcessors(),
                Thread.ofPlatform().name("hydra-int8-", 0).daemon().factory());
    }

    /** Memory as a tensor, without a copy. */
    static PtNDArray tensor(PtNDManager manager, MemorySegment data, Shape shape, DataType type) {
        return manager.create(data.asByteBuffer().order(ByteOrder.nativeOrder()), shape, type);
    }

    /** The codes of a matrix as a tensor, without a copy. */
    PtNDArray codes(Int8Matrix rows) {
        Shape shape = new Shape(rows.matrix().rows(), rows.matrix().columns());
        return tensor(manager, rows.codes(), shape, DataType.INT8);
    }

    /** The scales of a matrix as a tensor, without a copy. */
    PtNDArray scales(Int8Matrix rows) {
        return tensor(manager, rows.scales(), new Shape(rows.matrix().rows()), DataType.FLOAT32);
    }

    /**
     * The embedding's rows, to be looked up; the caller closes them when the model is closed.
     *
     * @throws ModelFormatException when a weight is infinite or not a number
     */
    @SuppressWarnings("MustBeClosedChecker") // who takes the matrix closes it
    Int8Matrix embedding() {
        Int8Matrix rows = source.lastingRows(source.matrix("embedding"));
        lookup = Optional.of(rows);
        return rows;
    }

    /** Begins to pack the rows of several matrices, given by their names in {@link PackLayout}, below each other as one. */
    Begun begin(List<String> names) {
        List<PackLayout.Matrix> parts = names.stream().map(source::matrix).toList();
        Begun matrix = new Begun(processors.submit(() -> pack(parts)));
        begun.add(matrix);
        return matrix;
    }

    /**
     * Waits for a packed matrix, which the caller closes.
     *
     * @throws ModelFormatException when the model is damaged, or a weight infinite or not a number
     */
    IValue take(Begun matrix) {
        IValue packed = Tasks.await(matrix.packed);
        matrix.taken = true;
        return packed;
    }

    private IValue pack(List<PackLayout.Matrix> parts) {
        JniUtils.setGraphExecutorOptimize(false); // the flag is this thread's
        IValue packed;
        try (Values scope = new Values()) {
            List<Int8Matrix> rows = parts.stream()
                    .map(part -> looked(part).orElseGet(() -> scope.own(source.rows(part))))
                    .toList();
            PtNDArray codes = TorchWeights.joined(rows.stream().map(this::codes).toList(), scope);
            PtNDArray scales =
                    TorchWeights.joined(rows.stream().map(this::scales).toList(), scope);
            packed = script.call("pack", scope.of(codes), scope.of(scales));
        }
        // A copy, so the parts may go; but the embedding is looked up where it lies.
        parts.stream().filter(part -> !part.name().equals("embedding")).forEach(source::release);
        return packed;
    }

    private Optional<Int8Matrix> looked(PackLayout.Matrix part) {
        return lookup.filter(rows -> rows.matrix().equals(part));
    }

    /** Ends what nobody waits for, and frees what nobody took. */
    @Override
    public void close() {
        processors.shutdownNow();
        processors.close();
        source.close();
        for (Begun matrix : begun) {
            if (!matrix.taken && matrix.packed.state() == Future.State.SUCCESS) {
                matrix.packed.resultNow().close();
            }
        }
    }
}
