package dev.hydrallm.checkpoint;

import dev.hydrallm.checkpoint.gguf.GgufTensor;
import dev.hydrallm.model.DType;
import java.util.List;

/** A tensor of a GGUF file under its name in a checkpoint. */
record GgufSource(String name, GgufTensor tensor) implements SourceTensor {
    /** The smallest type that holds its numbers exactly: a scale times a code has more digits than F16. */
    @Override
    public DType dtype() {
        return switch (tensor.format()) {
            case F16 -> DType.F16;
            case BF16 -> DType.BF16;
            default -> DType.F32;
        };
    }

    @Override
    public List<Long> shape() {
        return tensor.shape();
    }

    @Override
    public void readRow(long row, float[] target) {
        tensor.readRow(row, target);
        SourceTensor.requireFinite(name, row, target);
    }
}
