package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.engine.FiniteNumbers;
import dev.hydrallm.engine.Int8Source;
import dev.hydrallm.engine.Int8Source.Int8Matrix;
import dev.hydrallm.engine.Tasks;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorSink;
import dev.hydrallm.model.TensorView;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/**
 * A model's matrices in a device's memory. Room for each is taken at once. What is stored as the program takes it goes there as it
 * is read and verified, by the threads that read it; other formats are converted by every processor as soon as a matrix is read. So
 * this process holds little more than what is on its way.
 *
 * <p>Made, used and closed on one thread.
 */
final class DeviceMatrices implements Matrices {
    /** 1.5 * 2^23: see the program's codes. */
    private static final float ROUNDER = 0x1.8p23f;

    private static final String EMBEDDING = "embedding";

    private final PackedModel model;
    private final PtNDManager manager;
    private final Script script;
    private final Arithmetic arithmetic;
    private final DeviceLink link;
    private final Values values;
    private final Int8Source source;
    private final ExecutorService processors;
    private final IValue rounder;

    /** What was begun, by the names of its parts: a tied head is the embedding. */
    private final Map<List<String>, Begun> begun = new HashMap<>();

    /** Room on the device, and what waits until it is filled. */
    private static final class Begun {
        private final List<PtNDArray> tensors;
        private final Deque<Runnable> parts;

        Begun(List<PtNDArray> tensors, List<Runnable> parts) {
            this.tensors = tensors;
            this.parts = new ArrayDeque<>(parts);
        }

        void await() {
            RuntimeException failure = null;
            while (!parts.isEmpty()) {
                try {
                    parts.pop().run();
                } catch (RuntimeException e) {
                    failure = e; // the others may be written to still
                }
            }
            if (failure != null) {
                throw failure;
            }
        }
    }

    DeviceMatrices(
            PackedModel model,
            PtNDManager manager,
            Script script,
            Arithmetic arithmetic,
            DeviceLink link,
            Values values) {
        this.model = model;
        this.manager = manager;
        this.script = script;
        this.arithmetic = arithmetic;
        this.link = link;
        this.values = values;
        source = new Int8Source(model);
        rounder = values.of(values.keep(manager.create(new float[] {ROUNDER})));
        processors = Executors.newFixedThreadPool(
                Runtime.getRuntime().availableProcessors(),
                Thread.ofPlatform().name("hydra-send-", 0).daemon().factory());
    }

    @Override
    public Supplier<IValue> embedding() {
        PackLayout.Matrix matrix = source.matrix(EMBEDDING);
        Begun table = arithmetic == Arithmetic.GPU_INT8 && source.isStoredAsNumbers(matrix)
                ? numbersWithScales(matrix)
                : of(List.of(EMBEDDING));
        return () -> {
            table.await();
            return values.tensors(table.tensors);
        };
    }

    /** Numbers are codes whose scale is 1: they are looked up as exactly as they are stored. */
    private Begun numbersWithScales(PackLayout.Matrix matrix) {
        PtNDArray numbers = room(matrix.rows(), matrix.columns(), DataType.FLOAT32);
        PtNDArray scales = values.keep(manager.ones(new Shape(matrix.rows())));
        return new Begun(List.of(numbers, scales), List.of(sendNumbers(matrix, numbers, 0)));
    }

    @Override
    public Supplier<IValue> begin(List<String> names) {
        Begun matrix = of(names);
        return () -> {
            matrix.await();
            PtNDArray first = matrix.tensors.getFirst();
            return arithmetic == Arithmetic.GPU_INT8
                    ? values.keep(script.call("pack", values.of(first), values.of(matrix.tensors.getLast()), rounder))
                    : values.of(first);
        };
    }

    private Begun of(List<String> names) {
        return begun.computeIfAbsent(names, this::send);
    }

    private Begun send(List<String> names) {
        List<PackLayout.Matrix> parts = names.stream().map(source::matrix).toList();
        long rows = parts.stream().mapToLong(PackLayout.Matrix::rows).sum();
        long columns = parts.getFirst().columns();
        return arithmetic == Arithmetic.GPU_INT8 ? sendCodes(parts, rows, columns) : sendNumbers(parts, rows, columns);
    }

    private Begun sendCodes(List<PackLayout.Matrix> parts, long rows, long columns) {
        long outputs = Math.ceilDiv(rows, Arithmetic.INT8_SIZE_MULTIPLE) * Arithmetic.INT8_SIZE_MULTIPLE;
        PtNDArray codes = room(outputs, columns, DataType.INT8);
        PtNDArray scales = values.keep(manager.create(new Shape(rows), DataType.FLOAT32));
        long codesAt = TensorAddress.of(codes);
        long scalesAt = TensorAddress.of(scales);
        List<Runnable> sending = new ArrayList<>();
        long row = 0;
        for (PackLayout.Matrix part : parts) {
            long codesOfPart = codesAt + row * columns;
            long scalesOfPart = scalesAt + row * Float.BYTES;
            if (source.isStoredSo(part)) {
                sending.add(model.send(part.name() + ".weight", to(codesOfPart))::await);
                sending.add(onAProcessor(() -> sendScales(part, scalesOfPart)));
            } else {
                sending.add(onAProcessor(() -> convert(part, codesOfPart, scalesOfPart)));
            }
            row += part.rows();
        }
        return new Begun(List.of(codes, scales), sending);
    }

    private void sendScales(PackLayout.Matrix part, long scalesAt) {
        String name = part.name() + ".scale";
        to(scalesAt).write(0, FiniteNumbers.of(model, name));
        model.release(name);
    }

    private void convert(PackLayout.Matrix part, long codesAt, long scalesAt) {
        try (Int8Matrix coded = source.rows(part)) {
            to(codesAt).write(0, coded.codes());
            to(scalesAt).write(0, coded.scales());
        }
        if (!isShared(part)) {
            source.release(part);
        }
    }

    private Begun sendNumbers(List<PackLayout.Matrix> parts, long rows, long columns) {
        PtNDArray numbers = room(rows, columns, arithmetic.linearType());
        List<Runnable> sending = new ArrayList<>();
        long row = 0;
        for (PackLayout.Matrix part : parts) {
            sending.add(sendNumbers(part, numbers, row));
            row += part.rows();
        }
        return new Begun(List.of(numbers), sending);
    }

    private Runnable sendNumbers(PackLayout.Matrix part, PtNDArray target, long firstRow) {
        DataType type = target.getDataType();
        int width = type.getNumOfBytes();
        long address = TensorAddress.of(target) + firstRow * part.columns() * width;
        String name = part.name() + ".weight";
        if (source.storedType(part) == (width == Short.BYTES ? DType.F16 : DType.F32) && !isShared(part)) {
            return model.send(name, to(address))::await;
        }
        return onAProcessor(() -> {
            TensorView stored = model.tensor(name);
            link.send(reader(stored, type), part.rows() * part.columns() * width, address);
            if (!isShared(part)) {
                source.release(part);
            }
        });
    }

    private Runnable onAProcessor(Runnable task) {
        Future<?> running = processors.submit(task);
        return () -> Tasks.await(running);
    }

    /** What takes bytes to an address of the device. */
    private TensorSink to(long address) {
        return (offset, bytes) ->
                link.send((at, target) -> copy(bytes, at, target), bytes.byteSize(), address + offset);
    }

    private static void copy(MemorySegment bytes, long offset, MemorySegment target) {
        MemorySegment.copy(bytes, offset, target, 0, target.byteSize());
    }

    /** Reads numbers as numbers of another width. */
    private static DeviceLink.Source reader(TensorView stored, DataType type) {
        MemorySegment data = stored.data();
        if (Matrices.type(stored) == type) {
            return (offset, target) -> copy(data, offset, target);
        }
        return stored.dtype() == DType.F16 ? (at, to) -> widen(data, at, to) : (at, to) -> narrow(data, at, to);
    }

    private static void widen(MemorySegment halves, long offset, MemorySegment target) {
        long first = offset / Float.BYTES;
        for (long i = 0; i < target.byteSize() / Float.BYTES; i++) {
            float single = Float.float16ToFloat(halves.getAtIndex(ValueLayout.JAVA_SHORT, first + i));
            target.setAtIndex(ValueLayout.JAVA_FLOAT, i, single);
        }
    }

    private static void narrow(MemorySegment singles, long offset, MemorySegment target) {
        long first = offset / Short.BYTES;
        for (long i = 0; i < target.byteSize() / Short.BYTES; i++) {
            short half = Float.floatToFloat16(singles.getAtIndex(ValueLayout.JAVA_FLOAT, first + i));
            target.setAtIndex(ValueLayout.JAVA_SHORT, i, half);
        }
    }

    private PtNDArray room(long rows, long columns, DataType type) {
        return values.keep(manager.create(new Shape(rows, columns), type));
    }

    /** Whether a tied head is made of it as well as the table that is looked up. */
    private boolean isShared(PackLayout.Matrix part) {
        return part.name().equals(EMBEDDING)
                && model.architecture().tiedEmbeddings()
                && arithmetic == Arithmetic.GPU_INT8
                && source.isStoredAsNumbers(part);
    }

    /** Waits for all that was begun: no thread may write to memory that is freed. */
    @Override
    public void close() {
        processors.shutdown();
        for (Begun matrix : begun.values()) {
            try {
                matrix.await();
            } catch (RuntimeException e) {
                // Who waited for it was told; the others do not care any more.
            }
        }
        processors.close();
        source.release(source.matrix(EMBEDDING));
        source.close();
    }
}
