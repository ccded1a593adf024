package dev.hydrallm.quantization;

import java.nio.ByteBuffer;

/**
 * ggml's blocks of 32 weights: a scale d, with or without a minimum m (both F16), and the codes q. Weight j and weight
 * j + 16 share a byte, the former in its low half; fifth bits stand together, bit j for weight j.
 */
final class GgmlBlocks {
    private static final int HALF = 16;
    private static final int LENGTH = 32;

    private GgmlBlocks() {}

    /** {@code block_q8_0}: d, 32 signed bytes; weight = q · d. */
    static void q8Scaled(ByteBuffer in, int at, float[] values, int to) {
        float d = half(in, at);
        for (int j = 0; j < LENGTH; j++) {
            values[to + j] = in.get(at + 2 + j) * d;
        }
    }

    /** {@code block_q4_0}: d, 16 bytes of codes; weight = (q − 8) · d. */
    static void q4Scaled(ByteBuffer in, int at, float[] values, int to) {
        float d = half(in, at);
        for (int j = 0; j < LENGTH; j++) {
            values[to + j] = (fourBits(in, at + 2, j) - 8) * d;
        }
    }

    /** {@code block_q4_1}: d, m, 16 bytes of codes; weight = q · d + m. */
    static void q4Shifted(ByteBuffer in, int at, float[] values, int to) {
        float d = half(in, at);
        float m = half(in, at + 2);
        for (int j = 0; j < LENGTH; j++) {
            values[to + j] = fourBits(in, at + 4, j) * d + m;
        }
    }

    /** {@code block_q5_0}: d, 32 fifth bits, 16 bytes of codes; weight = (q − 16) · d. */
    static void q5Scaled(ByteBuffer in, int at, float[] values, int to) {
        float d = half(in, at);
        int high = in.getInt(at + 2);
        for (int j = 0; j < LENGTH; j++) {
            values[to + j] = ((fourBits(in, at + 6, j) | fifthBit(high, j)) - 16) * d;
        }
    }

    /** {@code block_q5_1}: d, m, 32 fifth bits, 16 bytes of codes; weight = q · d + m. */
    static void q5Shifted(ByteBuffer in, int at, float[] values, int to) {
        float d = half(in, at);
        float m = half(in, at + 2);
        int high = in.getInt(at + 4);
        for (int j = 0; j < LENGTH; j++) {
            values[to + j] = (fourBits(in, at + 8, j) | fifthBit(high, j)) * d + m;
        }
    }

    static float half(ByteBuffer in, int at) {
        return Float.float16ToFloat(in.getShort(at));
    }

    private static int fourBits(ByteBuffer in, int codes, int j) {
        int both = in.get(codes + j % HALF);
        return (j < HALF ? both : both >> 4) & 0xf;
    }

    private static int fifthBit(int high, int j) {
        return (high >>> j & 1) << 4;
    }
}
