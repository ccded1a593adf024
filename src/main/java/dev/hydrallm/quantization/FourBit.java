package dev.hydrallm.quantization;

/**
 * Rows of 4-bit codes, two to a byte, the first in the high half. A row is cut into groups of equal length, and the codes of a
 * group stand for 16 levels of its own.
 */
public final class FourBit {
    /** Values that a code can stand for. */
    public static final int LEVELS = 16;

    private static final int BITS = 4;
    private static final int MASK = LEVELS - 1;

    /** What the codes of a row's groups stand for. */
    @FunctionalInterface
    public interface Levels {
        /**
         * Tells the values of one group.
         *
         * @param group index of the group within the row
         * @param values where the value of each of the {@value #LEVELS} codes goes
         */
        void read(int group, float[] values);
    }

    private FourBit() {}

    static void put(byte[] packed, int index, int code) {
        int at = index / 2;
        int shift = index % 2 == 0 ? BITS : 0;
        packed[at] = (byte) ((packed[at] & ~(MASK << shift)) | (code << shift));
    }

    /** The code of a row's weight. */
    public static int code(byte[] packed, int index) {
        return (index % 2 == 0 ? packed[index / 2] >> BITS : packed[index / 2]) & MASK;
    }

    /**
     * Turns a row of codes into weights.
     *
     * @param packed (columns / 2)
     * @param groupSize even; divides the columns
     * @param row (columns)
     */
    public static void decode(byte[] packed, int groupSize, Levels levels, float[] row) {
        float[] values = new float[LEVELS];
        for (int from = 0; from < row.length; from += groupSize) {
            levels.read(from / groupSize, values);
            for (int i = from; i < from + groupSize; i += 2) {
                int pair = packed[i / 2];
                row[i] = values[pair >> BITS & MASK];
                row[i + 1] = values[pair & MASK];
            }
        }
    }

    /**
     * Turns a row of 4-bit codes into one of 8-bit codes: the same as {@link #decode}, then {@link Int8#encode}, but rounds
     * each level of a group once instead of every weight.
     *
     * @param packed (columns / 2)
     * @param groupSize even; divides the columns
     * @param codes (columns)
     * @return the row's scale, as of {@link Int8#encode}
     * @throws IllegalArgumentException when a weight is infinite or not a number
     */
    public static float toInt8(byte[] packed, int groupSize, Levels levels, byte[] codes) {
        int groups = codes.length / groupSize;
        int bytes = groupSize / 2;
        float[] values = new float[groups * LEVELS];
        float[] ofGroup = new float[LEVELS];
        float largest = 0;
        for (int group = 0; group < groups; group++) {
            levels.read(group, ofGroup);
            System.arraycopy(ofGroup, 0, values, group * LEVELS, LEVELS);
            int used = used(packed, group * bytes, bytes);
            for (int code = 0; code < LEVELS; code++) {
                if ((used >> code & 1) != 0) {
                    largest = Math.max(largest, Math.abs(ofGroup[code])); // not a number wins in Math.max
                }
            }
        }
        float scale = Int8.scale(largest);
        byte[] rounded = new byte[LEVELS];
        for (int group = 0; group < groups; group++) {
            for (int code = 0; code < LEVELS; code++) {
                rounded[code] = (byte) Math.rint((double) values[group * LEVELS + code] / scale);
            }
            for (int at = group * bytes; at < (group + 1) * bytes; at++) {
                int pair = packed[at];
                codes[2 * at] = rounded[pair >> BITS & MASK];
                codes[2 * at + 1] = rounded[pair & MASK];
            }
        }
        return scale;
    }

    /** The codes that occur, as bits: a level that no weight has must not set the scale. */
    private static int used(byte[] packed, int from, int length) {
        int used = 0;
        for (int i = from; i < from + length; i++) {
            used |= (1 << (packed[i] >> BITS & MASK)) | (1 << (packed[i] & MASK));
        }
        return used;
    }
}
