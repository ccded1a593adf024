package dev.hydrallm.quantization;

/**
 * Group-wise 4-bit quantization of a matrix row. Symmetric: {@code weight ≈ (code − 8) × scale}, where the scale may be
 * negative, for there is one more level below zero than above. Asymmetric: {@code weight ≈ minimum + code × scale}. Codes are
 * packed as {@link FourBit} says; scales and minima are half-precision numbers, given as their bits.
 *
 * <p>Of several ways to clip a group's range the one with the least squared error is taken. Not clipping is among them.
 */
public final class Int4 {
    /** The largest magnitude of a weight: the largest number of half precision. */
    public static final float LARGEST_WEIGHT = 65504;

    private static final int ZERO = 8;
    private static final int LARGEST_CODE = 15;

    /** Clips that are tried, a {@link #CLIP_STEP} of the range apart: up to a quarter. */
    private static final int CLIPS = 16;

    private static final float CLIP_STEP = 1f / 64;

    private Int4() {}

    /**
     * Quantizes a row symmetrically.
     *
     * @param row (columns)
     * @param groupSize even; divides the columns
     * @param packed where the codes go, (columns / 2)
     * @param scales where the groups' scales go, (columns / groupSize)
     * @throws IllegalArgumentException when a weight is not a number or greater than {@link #LARGEST_WEIGHT}
     */
    public static void encodeSymmetric(float[] row, int groupSize, byte[] packed, short[] scales) {
        for (int group = 0; group < scales.length; group++) {
            int from = group * groupSize;
            short bits = symmetricScale(row, from, from + groupSize);
            scales[group] = bits;
            float scale = Float.float16ToFloat(bits);
            for (int i = from; i < from + groupSize; i++) {
                FourBit.put(packed, i, code(row[i], -ZERO * scale, scale));
            }
        }
    }

    /**
     * Quantizes a row asymmetrically.
     *
     * @param minima where the groups' minima go, (columns / groupSize)
     * @throws IllegalArgumentException when a weight is not a number or greater than {@link #LARGEST_WEIGHT}
     * @see #encodeSymmetric
     */
    public static void encodeAsymmetric(float[] row, int groupSize, byte[] packed, short[] scales, short[] minima) {
        for (int group = 0; group < scales.length; group++) {
            int from = group * groupSize;
            Range range = asymmetricRange(row, from, from + groupSize);
            scales[group] = range.scaleBits;
            minima[group] = range.minimumBits;
            for (int i = from; i < from + groupSize; i++) {
                FourBit.put(packed, i, code(row[i], range.minimum(), range.scale()));
            }
        }
    }

    /** What a symmetric group's codes stand for, in scales. */
    public static float[] symmetricPattern() {
        return codesFrom(-ZERO);
    }

    /** What an asymmetric group's codes stand for, in scales above its minimum. */
    public static float[] asymmetricPattern() {
        return codesFrom(0);
    }

    /** What the codes of symmetric groups stand for. */
    public static FourBit.Levels symmetric(short[] scales) {
        return FourBit.Levels.of(symmetricPattern(), floats(scales));
    }

    /** What the codes of asymmetric groups stand for. */
    public static FourBit.Levels asymmetric(short[] scales, short[] minima) {
        return new FourBit.Levels(asymmetricPattern(), floats(scales), floats(minima));
    }

    private static float[] codesFrom(int first) {
        float[] codes = new float[FourBit.LEVELS];
        for (int code = 0; code < codes.length; code++) {
            codes[code] = first + code;
        }
        return codes;
    }

    private static float[] floats(short[] halves) {
        float[] floats = new float[halves.length];
        for (int i = 0; i < halves.length; i++) {
            floats[i] = Float.float16ToFloat(halves[i]);
        }
        return floats;
    }

    /**
     * Tries the naive scale, and scales that give the largest weight the code 0: clipping up to a quarter of it, and with up to
     * an eighth to spare.
     */
    private static short symmetricScale(float[] row, int from, int to) {
        float largest = 0;
        for (int i = from; i < to; i++) {
            largest = Math.abs(row[i]) > Math.abs(largest) || Float.isNaN(row[i]) ? row[i] : largest;
        }
        requireInRange(largest);
        short best = half(largest / (ZERO - 1));
        double least = error(row, from, to, -ZERO * Float.float16ToFloat(best), Float.float16ToFloat(best));
        for (int clip = -CLIPS / 2; clip < CLIPS; clip++) {
            short candidate = half(-largest * (1 - clip * CLIP_STEP) / ZERO);
            float scale = Float.float16ToFloat(candidate);
            double error = error(row, from, to, -ZERO * scale, scale);
            if (error < least) {
                least = error;
                best = candidate;
            }
        }
        return best;
    }

    private record Range(short minimumBits, short scaleBits) {
        static Range of(float low, float high) {
            short minimum = half(low);
            return new Range(minimum, half((high - Float.float16ToFloat(minimum)) / LARGEST_CODE));
        }

        float minimum() {
            return Float.float16ToFloat(minimumBits);
        }

        float scale() {
            return Float.float16ToFloat(scaleBits);
        }
    }

    private static Range asymmetricRange(float[] row, int from, int to) {
        float low = row[from];
        float high = row[from];
        for (int i = from; i < to; i++) {
            low = Math.min(low, row[i]); // not a number wins in Math.min and Math.max
            high = Math.max(high, row[i]);
        }
        requireInRange(low);
        requireInRange(high);
        Range best = Range.of(low, high);
        double least = error(row, from, to, best.minimum(), best.scale());
        float step = (high - low) * CLIP_STEP;
        for (int below = 0; below < CLIPS / 2; below++) {
            for (int above = 0; above < CLIPS / 2; above++) {
                Range candidate = Range.of(low + below * step, high - above * step);
                double error = error(row, from, to, candidate.minimum(), candidate.scale());
                if (error < least) {
                    least = error;
                    best = candidate;
                }
            }
        }
        return best;
    }

    private static double error(float[] row, int from, int to, float minimum, float scale) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            double difference = row[i] - (minimum + code(row[i], minimum, scale) * (double) scale);
            sum += difference * difference;
        }
        return sum;
    }

    /** The code nearest to a weight; 0 × anything is the minimum where the scale is too small for half precision. */
    private static int code(float weight, float minimum, float scale) {
        return scale == 0 ? 0 : Math.clamp((long) Math.rint((weight - minimum) / scale), 0, LARGEST_CODE);
    }

    private static short half(float value) {
        return Float.floatToFloat16(value);
    }

    private static void requireInRange(float weight) {
        if (!(Math.abs(weight) <= LARGEST_WEIGHT)) {
            throw new IllegalArgumentException(
                    "a weight is " + weight + ", 4 bits hold up to " + LARGEST_WEIGHT + ": use int8");
        }
    }
}
