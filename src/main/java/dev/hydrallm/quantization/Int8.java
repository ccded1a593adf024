package dev.hydrallm.quantization;

/**
 * Symmetric 8-bit quantization of a matrix row: {@code weight ≈ code × scale}, codes from −127 to 127.
 *
 * <p>The scale is the row's largest magnitude ÷ 127, so no weight is farther from its code than half a scale (up to
 * the rounding of a float).
 */
public final class Int8 {
    /** The largest code; −128 is left out to keep the codes symmetric. */
    public static final int LARGEST_CODE = 127;

    private Int8() {}

    /**
     * Quantizes a row, rounding halves to the even code.
     *
     * @param codes where the codes go, one for each weight
     * @return the row's scale, always a normal positive number; 1 for a row of zeros
     * @throws IllegalArgumentException when a weight is infinite or not a number
     */
    public static float encode(float[] row, byte[] codes) {
        float largest = 0;
        for (float weight : row) {
            largest = Math.max(largest, Math.abs(weight)); // not a number wins in Math.max
        }
        float scale = scale(largest);
        for (int i = 0; i < row.length; i++) {
            codes[i] = (byte) Math.rint((double) row[i] / scale);
        }
        return scale;
    }

    /** Turns codes back into weights, one for each. */
    public static void decode(byte[] codes, float scale, float[] row) {
        for (int i = 0; i < row.length; i++) {
            row[i] = codes[i] * scale;
        }
    }

    /** The scale of a row with this largest magnitude. */
    static float scale(float largest) {
        if (!Float.isFinite(largest)) {
            throw new IllegalArgumentException("a weight is " + largest);
        }
        // A subnormal scale would be so coarse itself that codes could pass 127.
        return largest == 0 ? 1 : Math.max(largest / LARGEST_CODE, Float.MIN_NORMAL);
    }
}
