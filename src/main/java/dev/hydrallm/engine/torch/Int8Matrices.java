package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.JniUtils;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorMemory;
import dev.hydrallm.model.WeightFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
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
    private final PackedModel model;
    private final PtNDManager manager;
    private final Script script;
    private final Map<String, PackLayout.Matrix> matrices = new HashMap<>();
    private final List<Begun> begun = new ArrayList<>();
    private final ExecutorService processors;
    private final TensorMemory scratch = new TensorMemory();

    /** The embedding, where it is looked up as int8 rows: a tied language-model head is made of the same. */
    private volatile Optional<Int8Matrix> lookup = Optional.empty();

    /**
     * A matrix.
     *
     * @param codes (rows, columns), signed bytes
     * @param scales (rows), single precision
     * @param end gives back the memory of both, if it is not the model's own
     */
    record Int8Matrix(PackLayout.Matrix matrix, MemorySegment codes, MemorySegment scales, Runnable end)
            implements AutoCloseable {
        /** The codes as a tensor, without a copy. */
        PtNDArray codes(PtNDManager manager) {
            return tensor(manager, codes, new Shape(matrix.rows(), matrix.columns()), DataType.INT8);
        }

        /** The scales as a tensor, without a copy. */
        PtNDArray scales(PtNDManager manager) {
            return tensor(manager, scales, new Shape(matrix.rows()), DataType.FLOAT32);
        }

        /** Ends the use of what was converted. */
        @Override
        public void close() {
            end.run();
        }
    }

    /** A matrix that is on its way. */
    static final class Begun {
        private final Future<IValue> packed;
        private boolean taken;

        private Begun(Future<IValue> packed) {
            this.packed = packed;
        }
    }

    Int8Matrices(PackedModel model, PtNDManager manager, Script script) {
        this.model = model;
        this.manager = manager;
        this.script = script;
        for (PackLayout.Part part : PackLayout.parts(model.architecture(), model.draft())) {
            if (part instanceof PackLayout.Matrix matrix) {
                matrices.put(matrix.name(), matrix);
            }
        }
        // Threads start with the first matrix: a model in single precision has none.
        processors = Executors.newFixedThreadPool(
                Runtime.getRuntime().availableProcessors(),
                Thread.ofPlatform().name("hydra-int8-", 0).daemon().factory());
    }

    /** Memory as a tensor, without a copy. */
    static PtNDArray tensor(PtNDManager manager, MemorySegment data, Shape shape, DataType type) {
        return manager.create(data.asByteBuffer().order(ByteOrder.nativeOrder()), shape, type);
    }

    /**
     * The embedding's rows, to be looked up; the caller closes them when the model is closed.
     *
     * @throws ModelFormatException when a weight is infinite or not a number
     */
    @SuppressWarnings("MustBeClosedChecker") // who takes the matrix closes it
    Int8Matrix embedding() {
        PackLayout.Matrix matrix = matrix("embedding");
        Int8Matrix rows;
        if (isStoredSo(matrix)) {
            rows = stored(matrix);
        } else {
            Arena arena = Arena.ofShared();
            rows = converted(matrix, arena.allocate(bytes(matrix), Long.BYTES), arena::close);
            release(matrix);
        }
        lookup = Optional.of(rows);
        return rows;
    }

    /** Begins to pack the rows of several matrices, given by their names in {@link PackLayout}, below each other as one. */
    Begun begin(List<String> names) {
        List<PackLayout.Matrix> parts = names.stream().map(this::matrix).toList();
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
        try {
            IValue packed = matrix.packed.get();
            matrix.taken = true;
            return packed;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while a model was loaded", e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e);
        }
    }

    private PackLayout.Matrix matrix(String name) {
        return Objects.requireNonNull(matrices.get(name), name);
    }

    private IValue pack(List<PackLayout.Matrix> parts) {
        JniUtils.setGraphExecutorOptimize(false); // the flag is this thread's
        IValue packed;
        try (Values scope = new Values()) {
            List<Int8Matrix> rows = parts.stream()
                    .map(part -> looked(part).orElseGet(() -> scope.own(rows(part))))
                    .toList();
            PtNDArray codes = TorchWeights.joined(
                    rows.stream().map(each -> each.codes(manager)).toList(), scope);
            PtNDArray scales = TorchWeights.joined(
                    rows.stream().map(each -> each.scales(manager)).toList(), scope);
            packed = script.call("pack", scope.of(codes), scope.of(scales));
        }
        // A copy, so the parts may go; but the embedding is looked up where it lies.
        parts.stream().filter(part -> !part.name().equals("embedding")).forEach(this::release);
        return packed;
    }

    private Optional<Int8Matrix> looked(PackLayout.Matrix part) {
        return lookup.filter(rows -> rows.matrix().equals(part));
    }

    private WeightFormat format(PackLayout.Matrix matrix) {
        return Objects.requireNonNull(model.manifest().quantization().get(matrix.group()));
    }

    private void release(PackLayout.Matrix matrix) {
        PackLayout.stored(matrix, model.manifest().quantization()).forEach(stored -> model.release(stored.name()));
    }

    private boolean isStoredSo(PackLayout.Matrix matrix) {
        return format(matrix) instanceof WeightFormat.Int8;
    }

    /** A matrix's rows until they are packed. */
    private Int8Matrix rows(PackLayout.Matrix matrix) {
        if (isStoredSo(matrix)) {
            return stored(matrix);
        }
        TensorMemory.Lease room = scratch.lease(bytes(matrix));
        return converted(matrix, room.bytes(), () -> scratch.giveBack(room));
    }

    private Int8Matrix stored(PackLayout.Matrix matrix) {
        return new Int8Matrix(
                matrix,
                model.tensor(matrix.name() + ".weight").data(),
                model.tensor(matrix.name() + ".scale").data(),
                () -> {});
    }

    /** Bytes of a matrix's codes and of the scales behind them. */
    private static long bytes(PackLayout.Matrix matrix) {
        return scalesAt(matrix) + matrix.rows() * Float.BYTES;
    }

    private static long scalesAt(PackLayout.Matrix matrix) {
        return Math.ceilDiv(matrix.rows() * matrix.columns(), Long.BYTES) * Long.BYTES;
    }

    private Int8Matrix converted(PackLayout.Matrix matrix, MemorySegment room, Runnable end) {
        Int8Matrix rows = new Int8Matrix(
                matrix,
                room.asSlice(0, matrix.rows() * matrix.columns()),
                room.asSlice(scalesAt(matrix), matrix.rows() * Float.BYTES),
                end);
        try {
            convert(Int8Rows.of(model, matrix, format(matrix)), rows);
            return rows;
        } catch (IllegalArgumentException e) {
            rows.close();
            throw new ModelFormatException(
                    model.directory() + ": " + matrix.name() + ": " + e.getMessage() + ": pack the model again", e);
        } catch (RuntimeException e) {
            rows.close();
            throw e;
        }
    }

    private static void convert(Int8Rows source, Int8Matrix target) {
        byte[] row = new byte[Math.toIntExact(target.matrix.columns())];
        for (int r = 0; r < target.matrix.rows(); r++) {
            target.scales.setAtIndex(ValueLayout.JAVA_FLOAT, r, source.read(r, row));
            MemorySegment.copy(row, 0, target.codes, ValueLayout.JAVA_BYTE, (long) r * row.length, row.length);
        }
    }

    /** Ends what nobody waits for, and frees what nobody took. */
    @Override
    public void close() {
        processors.shutdownNow();
        processors.close();
        scratch.close();
        for (Begun matrix : begun) {
            if (!matrix.taken && matrix.packed.state() == Future.State.SUCCESS) {
                matrix.packed.resultNow().close();
            }
        }
    }
}
