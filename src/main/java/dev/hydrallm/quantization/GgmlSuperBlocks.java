package dev.hydrallm.quantization;

import java.nio.ByteBuffer;

/**
 * ggml's blocks of 256 weights ("K-quants"): small groups, each with a scale of few bits of its own, under one or two F16
 * numbers for all.
 */
final class GgmlSuperBlocks {
    /** Weights of a group of Q4_K and Q5_K. */
    private static final int GROUP = 32;

    private static final int GROUPS = 8;
    private static final int SCALES = 4;
    private static final int SCALES_LENGTH = 12;

    private GgmlSuperBlocks() {}

    /**
     * {@code block_q4_K}: d, dmin, 12 bytes of scales and minima, 128 bytes of codes, of which 32 serve two groups, the
     * even group from the low halves; weight = d · scale · q − dmin · min.
     */
    static void q4(ByteBuffer in, int at, float[] values, int to) {
        int codes = at + SCALES + SCALES_LENGTH;
        for (int group = 0; group < GROUPS; group++) {
            float scale = GgmlBlocks.half(in, at) * scale(in, at + SCALES, group);
            float min = GgmlBlocks.half(in, at + 2) * min(in, at + SCALES, group);
            for (int l = 0; l < GROUP; l++) {
                values[to + group * GROUP + l] = scale * fourBits(in, codes, group, l) - min;
            }
        }
    }

    /** {@code block_q5_K}: as {@link #q4} with 32 bytes before the codes: bit g of byte l is the fifth of weight l of group g. */
    static void q5(ByteBuffer in, int at, float[] values, int to) {
        int high = at + SCALES + SCALES_LENGTH;
        int codes = high + GROUP;
        for (int group = 0; group < GROUPS; group++) {
            float scale = GgmlBlocks.half(in, at) * scale(in, at + SCALES, group);
            float min = GgmlBlocks.half(in, at + 2) * min(in, at + SCALES, group);
            for (int l = 0; l < GROUP; l++) {
                int code = fourBits(in, codes, group, l) | ((in.get(high + l) >> group) & 1) << 4;
                values[to + group * GROUP + l] = scale * code - min;
            }
        }
    }

    /**
     * {@code block_q6_K}: 128 bytes of low halves, 64 bytes of two high bits, 16 signed scales for 16 weights each, d;
     * weight = d · scale · (q − 32). Each half of 128 weights has its own 64 and 32 bytes: quarter k of weight l has its
     * low bits in byte l + 32 · (k mod 2), in the upper half for k ≥ 2, and its high bits at 2k in byte l.
     */
    static void q6(ByteBuffer in, int at, float[] values, int to) {
        float d = GgmlBlocks.half(in, at + 208);
        for (int i = 0; i < 256; i++) {
            int half = i / 128;
            int quarter = i % 128 / 32;
            int l = i % 32;
            int low = (in.get(at + 64 * half + 32 * (quarter % 2) + l) >> (quarter < 2 ? 0 : 4)) & 0xf;
            int high = (in.get(at + 128 + 32 * half + l) >> (2 * quarter)) & 3;
            values[to + i] = d * in.get(at + 192 + i / 16) * ((low | high << 4) - 32);
        }
    }

    private static int fourBits(ByteBuffer in, int codes, int group, int l) {
        int both = in.get(codes + group / 2 * GROUP + l);
        return (group % 2 == 0 ? both : both >> 4) & 0xf;
    }

    /** Six bits: of groups 0 to 3 in bytes 0 to 3; of 4 to 7 the low four in bytes 8 to 11, the high two above the former. */
    private static int scale(ByteBuffer in, int scales, int group) {
        return group < 4
                ? in.get(scales + group) & 63
                : (in.get(scales + 4 + group) & 0xf) | (in.get(scales + group - 4) >> 6 & 3) << 4;
    }

    /** As {@link #scale}, with bytes 4 to 7, and the upper halves of bytes 8 to 11. */
    private static int min(ByteBuffer in, int scales, int group) {
        return group < 4
                ? in.get(scales + 4 + group) & 63
                : (in.get(scales + 4 + group) >> 4 & 0xf) | (in.get(scales + group) >> 6 & 3) << 4;
    }
}
