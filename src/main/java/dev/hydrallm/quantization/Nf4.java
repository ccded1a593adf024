package dev.hydrallm.quantization;

import java.util.Arrays;

/**
 * The 4-bit NormalFloat with double quantization, as bitsandbytes defines it: {@code weight ≈ level[code] × absmax} with 16
 * levels that are quantiles of the normal distribution and one absmax for a block of {@value #BLOCK} weights. The absmaxes of a
 * matrix, less their mean, are stored in 8 bits with one scale for {@value #ABSMAX_BLOCK} of them, as entries of the dynamic map.
 *
 * @see <a href="https://arxiv.org/abs/2305.14314">QLoRA, section 3 and appendix E</a>
 */
public final class Nf4 {
    /** Weights that share an absmax. */
    public static final int BLOCK = 64;
    /** Absmaxes that share a scale. */
    public static final int ABSMAX_BLOCK = 256;

    /** Quantiles of the normal distribution, scaled to −1 and 1, one of them 0 (create_normal_map). */
    private static final float[] LEVELS = {
        -1.0f,
        -0.6961928f,
        -0.52507305f,
        -0.3949175f,
        -0.28444138f,
        -0.18477343f,
        -0.091050036f,
        0.0f,
        0.0795803f,
        0.1609302f,
        0.2461123f,
        0.33791524f,
        0.44070983f,
        0.562617f,
        0.72295684f,
        1.0f
    };

    private static final float[] DYNAMIC_MAP = dynamicMap();

    /**
     * The absmaxes of a matrix in 8 bits.
     *
     * @param codes one for each absmax; unsigned
     * @param scales one for {@value #ABSMAX_BLOCK} codes
     * @param mean what was subtracted from every absmax
     */
    public record Absmaxes(byte[] codes, float[] scales, float mean) {
        /** Quantizes the absmaxes of a matrix. */
        public static Absmaxes encode(float[] absmaxes) {
            float mean = (float) mean(absmaxes);
            byte[] codes = new byte[absmaxes.length];
            float[] scales = new float[blocks(absmaxes.length)];
            for (int block = 0; block < scales.length; block++) {
                int from = block * ABSMAX_BLOCK;
                int to = Math.min(from + ABSMAX_BLOCK, absmaxes.length);
                float largest = 0;
                for (int i = from; i < to; i++) {
                    largest = Math.max(largest, Math.abs(absmaxes[i] - mean));
                }
                scales[block] = largest;
                for (int i = from; i < to; i++) {
                    codes[i] = (byte) nearest(DYNAMIC_MAP, largest == 0 ? 0 : (absmaxes[i] - mean) / largest);
                }
            }
            return new Absmaxes(codes, scales, mean);
        }

        /** How many scales so many absmaxes have. */
        public static int blocks(int absmaxes) {
            return Math.ceilDiv(absmaxes, ABSMAX_BLOCK);
        }

        /** The absmax of a block of weights. */
        public float decode(int index) {
            return DYNAMIC_MAP[Byte.toUnsignedInt(codes[index])] * scales[index / ABSMAX_BLOCK] + mean;
        }

        private static double mean(float[] values) {
            double sum = 0;
            for (float value : values) {
                sum += value;
            }
            return sum / values.length;
        }
    }

    private Nf4() {}

    /**
     * Quantizes a row.
     *
     * @param row (columns)
     * @param packed where the codes go, (columns / 2)
     * @param absmaxes where the blocks' absmaxes go, (columns / {@value #BLOCK})
     * @throws IllegalArgumentException when a weight is infinite or not a number
     */
    public static void encode(float[] row, byte[] packed, float[] absmaxes) {
        for (int block = 0; block < absmaxes.length; block++) {
            int from = block * BLOCK;
            float absmax = 0;
            for (int i = from; i < from + BLOCK; i++) {
                absmax = Math.max(absmax, Math.abs(row[i])); // not a number wins in Math.max
            }
            if (!Float.isFinite(absmax)) {
                throw new IllegalArgumentException("a weight is " + absmax);
            }
            absmaxes[block] = absmax;
            for (int i = from; i < from + BLOCK; i++) {
                FourBit.put(packed, i, nearest(LEVELS, absmax == 0 ? 0 : row[i] / absmax));
            }
        }
    }

    /** What the codes of a matrix stand for, whose groups are its blocks. */
    public static FourBit.Levels levels(Absmaxes absmaxes) {
        float[] decoded = new float[absmaxes.codes.length];
        for (int block = 0; block < decoded.length; block++) {
            decoded[block] = absmaxes.decode(block);
        }
        return FourBit.Levels.of(LEVELS, decoded);
    }

    /** The index of the level nearest to a value; of two equally near ones the lower. */
    private static int nearest(float[] levels, float value) {
        int found = Arrays.binarySearch(levels, value);
        if (found >= 0) {
            return found;
        }
        int above = -found - 1;
        if (above == 0 || above == levels.length) {
            return above == 0 ? 0 : levels.length - 1;
        }
        return value > (levels[above - 1] + levels[above]) / 2 ? above : above - 1;
    }

    /**
     * The signed 8-bit dynamic map, ascending (create_dynamic_map): 0, 1, and ± the middles of 2^i equal parts of 0.1 to 1,
     * times 10^(i − 6), for i from 0 to 6.
     */
    private static float[] dynamicMap() {
        float[] map = new float[256];
        int count = 0;
        for (int i = 0; i <= 6; i++) {
            int parts = 1 << i;
            float power = (float) Math.pow(10, i - 6);
            for (int part = 0; part < parts; part++) {
                float middle = (boundary(part, parts) + boundary(part + 1, parts)) / 2;
                map[count++] = power * middle;
                map[count++] = -power * middle;
            }
        }
        map[count++] = 0;
        map[count] = 1;
        Arrays.sort(map);
        return map;
    }

    private static float boundary(int part, int parts) {
        float step = (1 - 0.1f) / parts;
        // As torch.linspace: from the nearer end.
        return part < (parts + 1) / 2 ? 0.1f + step * part : 1 - step * (parts - part);
    }
}
