package dev.hydrallm.engine.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.IValue;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/**
 * Native values of one scope. Every {@link IValue} and every tensor holds native memory until it is closed, children of
 * a list included; this closes all that was made or kept here, last first.
 */
final class Values implements AutoCloseable {
    private final Deque<AutoCloseable> owned = new ArrayDeque<>();

    IValue of(long value) {
        return keep(IValue.from(value));
    }

    IValue of(PtNDArray tensor) {
        return keep(IValue.from(tensor));
    }

    IValue list(int... values) {
        return keep(IValue.listFrom(Arrays.stream(values).asLongStream().toArray()));
    }

    IValue list(double... values) {
        return keep(IValue.listFrom(values));
    }

    IValue tensors(List<PtNDArray> tensors) {
        return list(tensors.stream().map(this::of).toList());
    }

    /** A list of values that are kept elsewhere. */
    IValue list(List<IValue> values) {
        return keep(IValue.listFrom(values.toArray(IValue[]::new)));
    }

    IValue keep(IValue value) {
        return own(value);
    }

    PtNDArray keep(NDArray tensor) {
        return (PtNDArray) own(tensor);
    }

    /** Closes it with the rest, before all that came earlier. */
    <T extends AutoCloseable> T own(T value) {
        owned.push(value);
        return value;
    }

    @Override
    public void close() {
        while (!owned.isEmpty()) {
            AutoCloseable value = owned.pop();
            try {
                value.close();
            } catch (Exception e) {
                throw new IllegalStateException("a native value could not be freed", e);
            }
        }
    }
}
