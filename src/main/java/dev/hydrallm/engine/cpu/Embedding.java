package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.Int8Source.Int8Matrix;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.TensorView;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** The rows that tokens begin as. */
@FunctionalInterface
interface Embedding {
    ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    ValueLayout.OfShort HALF = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /**
     * Writes a token's row.
     *
     * @param x (hidden) single precision
     */
    void lookUp(int token, MemorySegment x);

    /** Codes times each row's scale. */
    static Embedding of(Int8Matrix rows) {
        long hidden = rows.matrix().columns();
        return (token, x) -> {
            float scale = rows.scales().getAtIndex(FLOAT, token);
            for (int i = 0; i < hidden; i++) {
                byte code = rows.codes().get(ValueLayout.JAVA_BYTE, token * hidden + i);
                x.setAtIndex(ValueLayout.JAVA_FLOAT, i, code * scale);
            }
        };
    }

    /** Numbers as they are stored. */
    static Embedding of(TensorView table) {
        long hidden = table.shape().getLast();
        MemorySegment numbers = table.data();
        if (table.dtype() == DType.F16) {
            return (token, x) -> {
                for (int i = 0; i < hidden; i++) {
                    float number = Float.float16ToFloat(numbers.getAtIndex(HALF, token * hidden + i));
                    x.setAtIndex(ValueLayout.JAVA_FLOAT, i, number);
                }
            };
        }
        long bytes = hidden * Float.BYTES;
        return (token, x) -> MemorySegment.copy(numbers, token * bytes, x, 0, bytes);
    }
}
