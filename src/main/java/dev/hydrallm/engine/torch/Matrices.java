package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.model.TensorView;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.util.List;
import java.util.function.Supplier;

/** Makes a program's matrices of a model's. Made, used and closed on one thread; what it makes outlives it. */
interface Matrices extends AutoCloseable {
    /** Begins with what tokens are looked up in: codes and scales, or values alone. Called before all else. */
    Supplier<IValue> embedding();

    /**
     * Begins with the rows of several matrices, given by their names in {@link dev.hydrallm.model.PackLayout}, below each other as
     * one.
     *
     * @return waits for it; throws {@link dev.hydrallm.model.ModelFormatException} when the model is damaged, or a weight infinite
     *     or not a number
     */
    Supplier<IValue> begin(List<String> names);

    /** Ends what nobody waits for. */
    @Override
    void close();

    /** Memory as a tensor, on a processor without a copy. */
    static PtNDArray tensor(PtNDManager manager, MemorySegment data, Shape shape, DataType type) {
        return manager.create(data.asByteBuffer().order(ByteOrder.nativeOrder()), shape, type);
    }

    /** A stored tensor as it is, on a processor without a copy. */
    static PtNDArray tensor(PtNDManager manager, TensorView view) {
        Shape shape = new Shape(view.shape().stream().mapToLong(Long::longValue).toArray());
        return tensor(manager, view.data(), shape, type(view));
    }

    /** The type of a stored tensor that the program takes as it is. */
    static DataType type(TensorView view) {
        return switch (view.dtype()) {
            case F32 -> DataType.FLOAT32;
            case F16 -> DataType.FLOAT16;
            case I8 -> DataType.INT8;
            default -> throw new IllegalStateException(view.dtype() + " is converted before it gets here");
        };
    }

    /** Tensors below each other. */
    static PtNDArray joined(List<PtNDArray> tensors, Values scope) {
        tensors.forEach(scope::keep);
        PtNDArray joined = tensors.getFirst();
        for (PtNDArray tensor : tensors.subList(1, tensors.size())) {
            joined = scope.keep(joined.concat(tensor, 0));
        }
        return joined;
    }
}
