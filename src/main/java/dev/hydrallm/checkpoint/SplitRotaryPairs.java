package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import java.util.List;

/**
 * A query or key projection, or its bias, whose rotary pairs lie side by side, in the order of a Hugging Face checkpoint:
 * within a head, row j is the source's row 2j and row j + headDim/2 its row 2j+1. Undoes {@code permute} of llama.cpp's
 * {@code convert_hf_to_gguf.py}.
 */
record SplitRotaryPairs(SourceTensor source, int headDim) implements SourceTensor {
    @Override
    public String name() {
        return source.name();
    }

    @Override
    public DType dtype() {
        return source.dtype();
    }

    @Override
    public List<Long> shape() {
        return source.shape();
    }

    @Override
    public void readRow(long row, float[] target) {
        if (source.shape().size() > 1) {
            source.readRow(place(row), target);
            return;
        }
        float[] pairs = new float[target.length];
        source.readRow(0, pairs);
        for (int i = 0; i < target.length; i++) {
            target[i] = pairs[(int) place(i)];
        }
    }

    private long place(long row) {
        long within = row % headDim;
        return row - within + within % (headDim / 2) * 2 + within / (headDim / 2);
    }
}
