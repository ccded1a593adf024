package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.model.PackedModel;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * A model's matrices in single precision on a processor. Those that are stored so are the model's own memory, which must stay open
 * as long as they are used; others are copied and released there.
 */
final class SingleMatrices implements Matrices {
    private final PackedModel model;
    private final PtNDManager manager;
    private final Values values;

    /** For those that are used twice. */
    private final Map<String, PtNDArray> singles = new HashMap<>();

    SingleMatrices(PackedModel model, PtNDManager manager, Values values) {
        this.model = model;
        this.manager = manager;
        this.values = values;
    }

    @Override
    public Supplier<IValue> embedding() {
        return () -> values.tensors(List.of(single("embedding")));
    }

    @Override
    public Supplier<IValue> begin(List<String> names) {
        return () -> values.of(names.size() == 1 ? single(names.getFirst()) : stacked(names));
    }

    private PtNDArray stacked(List<String> names) {
        PtNDArray stack;
        try (Values parts = new Values()) {
            PtNDArray joined = Matrices.joined(names.stream().map(this::stored).toList(), parts);
            // A copy in any case: concatenating made one.
            stack = values.keep(joined.toType(DataType.FLOAT32, true));
        }
        names.forEach(name -> model.release(name + ".weight"));
        return stack;
    }

    private PtNDArray single(String name) {
        return singles.computeIfAbsent(name, this::toSingle);
    }

    private PtNDArray toSingle(String name) {
        PtNDArray stored = stored(name);
        if (stored.getDataType() == DataType.FLOAT32) {
            return values.keep(stored);
        }
        PtNDArray single;
        try (stored) {
            single = values.keep(stored.toType(DataType.FLOAT32, true));
        }
        model.release(name + ".weight");
        return single;
    }

    private PtNDArray stored(String name) {
        return Matrices.tensor(manager, model.tensor(name + ".weight"));
    }

    @Override
    public void close() {}
}
