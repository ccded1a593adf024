package dev.hydrallm.quantization;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The tensor types of GGUF files that can be read: {@code elements} weights stand in a block of {@code bytes} bytes,
 * little-endian; a row is a whole number of blocks. The constants' names are ggml's own, the layouts those of its
 * {@code ggml-common.h}, the sums those of {@code dequantize_row_*} in its {@code ggml-quants.c}.
 *
 * @see <a href="https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c">ggml-quants.c</a>
 */
public enum GgmlFormat {
    F32(1, 4),
    F16(1, 2),
    BF16(1, 2),
    Q8_0(32, 34),
    Q4_0(32, 18),
    Q4_1(32, 20),
    Q5_0(32, 22),
    Q5_1(32, 24),
    Q4_K(256, 144),
    Q5_K(256, 176),
    Q6_K(256, 210);

    private final int elements;
    private final int bytes;

    GgmlFormat(int elements, int bytes) {
        this.elements = elements;
        this.bytes = bytes;
    }

    /** Weights of a block. */
    public int elements() {
        return elements;
    }

    /** Bytes of a block. */
    public int bytes() {
        return bytes;
    }

    /**
     * Turns whole blocks into weights.
     *
     * @param blocks as many blocks as the values fill
     * @throws IllegalArgumentException when the lengths do not go together
     */
    public void decode(byte[] blocks, float[] values) {
        if (values.length % elements != 0 || (long) values.length / elements * bytes != blocks.length) {
            throw new IllegalArgumentException(
                    blocks.length + " bytes of " + this + " do not make " + values.length + " weights");
        }
        ByteBuffer buffer = ByteBuffer.wrap(blocks).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0, to = 0; to < values.length; at += bytes, to += elements) {
            decode(buffer, at, values, to);
        }
    }

    /** Turns the block that begins at a byte into weights from an index on. */
    private void decode(ByteBuffer blocks, int at, float[] values, int to) {
        switch (this) {
            case F32 -> values[to] = blocks.getFloat(at);
            case F16 -> values[to] = Float.float16ToFloat(blocks.getShort(at));
            case BF16 -> values[to] = Float.intBitsToFloat(blocks.getShort(at) << 16);
            case Q8_0 -> GgmlBlocks.q8Scaled(blocks, at, values, to);
            case Q4_0 -> GgmlBlocks.q4Scaled(blocks, at, values, to);
            case Q4_1 -> GgmlBlocks.q4Shifted(blocks, at, values, to);
            case Q5_0 -> GgmlBlocks.q5Scaled(blocks, at, values, to);
            case Q5_1 -> GgmlBlocks.q5Shifted(blocks, at, values, to);
            case Q4_K -> GgmlSuperBlocks.q4(blocks, at, values, to);
            case Q5_K -> GgmlSuperBlocks.q5(blocks, at, values, to);
            case Q6_K -> GgmlSuperBlocks.q6(blocks, at, values, to);
        }
    }
}
