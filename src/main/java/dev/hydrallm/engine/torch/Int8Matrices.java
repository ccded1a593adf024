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
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/**
 * Makes the int8 program's matrices of a model's, whatever the format they are stored in. Every processor takes the next one
 * that was asked for as soon as it is read, turns it into int8 rows and packs those for fbgemm, which goes over each byte alone and
 * takes longer than all the rest. What is stored is released then, so that the model is not held twice.
 *
 * <p>Made, used and closed on one thread.
 */
final class Int8Matrices implements Matrices {
    private final PackedModel model;
    private final Int8Source source;
    private final PtNDManager manager;
    private final Script script;
    private final Values values;
    private final List<Begun> begun = new ArrayList<>();
    private final ExecutorService processors;

    /** The embedding, where it is looked up as int8 rows: a tied language-model head is made of the same. */
    private volatile Optional<Int8Matrix> lookup = Optional.empty();

    /** A matrix that is on its way. */
    private static final class Begun {
        private final Future<IValue> packed;
        private boolean taken;

        private Begun(Future<IValue> packed) {
            this.packed = packed;
        }
    }

    Int8Matrices(PackedModel model, PtNDManager manager, Script script, Values values) {
        this.model = model;
        this.values = values;
        this.source = new Int8Source(model);
        this.manager = manager;
        this.script = script;
        processors = Executors.newFixedThreadPool(
                Runtime.getRuntime().availableProcessors(),
                Thread.ofPlatform().name("hydra-int8-", 0).daemon().factory());
    }

    /** The codes of a matrix as a tensor, without a copy. */
    private PtNDArray codes(Int8Matrix rows) {
        Shape shape = new Shape(rows.matrix().rows(), rows.matrix().columns());
        return Matrices.tensor(manager, rows.codes(), shape, DataType.INT8);
    }

    /** The scales of a matrix as a tensor, without a copy. */
    private PtNDArray scales(Int8Matrix rows) {
        return Matrices.tensor(manager, rows.scales(), new Shape(rows.matrix().rows()), DataType.FLOAT32);
    }

    /** Looked up as it is stored where that is 8 bits or numbers, whose scale is 1; from 4 bits as int8 rows. */
    @Override
    public Supplier<IValue> embedding() {
        // At once: a tied head is packed of the same rows.
        IValue table = lookedUp();
        return () -> table;
    }

    @SuppressWarnings("MustBeClosedChecker") // values close the rows
    private IValue lookedUp() {
        PackLayout.Matrix matrix = source.matrix("embedding");
        if (source.isStoredAsNumbers(matrix)) {
            PtNDArray numbers = values.keep(Matrices.tensor(manager, model.tensor(matrix.name() + ".weight")));
            return values.tensors(List.of(numbers, values.keep(manager.ones(new Shape(matrix.rows())))));
        }
        Int8Matrix rows = values.own(source.lastingRows(matrix));
        lookup = Optional.of(rows);
        return values.tensors(List.of(values.keep(codes(rows)), values.keep(scales(rows))));
    }

    @Override
    public Supplier<IValue> begin(List<String> names) {
        List<PackLayout.Matrix> parts = names.stream().map(source::matrix).toList();
        Begun matrix = new Begun(processors.submit(() -> pack(parts)));
        begun.add(matrix);
        return () -> {
            IValue packed = values.keep(Tasks.await(matrix.packed));
            matrix.taken = true;
            return packed;
        };
    }

    private IValue pack(List<PackLayout.Matrix> parts) {
        JniUtils.setGraphExecutorOptimize(false); // the flag is this thread's
        IValue packed;
        try (Values scope = new Values()) {
            List<Int8Matrix> rows = parts.stream()
                    .map(part -> looked(part).orElseGet(() -> scope.own(source.rows(part))))
                    .toList();
            PtNDArray codes = Matrices.joined(rows.stream().map(this::codes).toList(), scope);
            PtNDArray scales = Matrices.joined(rows.stream().map(this::scales).toList(), scope);
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
