package dev.hydrallm.quantization;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Rows of 4-bit codes, two to a byte, the first in the high half. A row is cut into groups of equal length, and the codes of a
 * group stand for 16 levels of its own.
 */
public final class FourBit {
    /** Values that a code can stand for. */
    public static final int LEVELS = 16;

    private static final int BITS = 4;
    private static final int MASK = LEVELS - 1;

    private static final VarHandle WORD = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle HALF_WORD =
            MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    /** 1 in every half byte. */
    private static final long ONES = 0x1111_1111_1111_1111L;
    /** The top bit of every half byte. */
    private static final long TOP_BITS = ONES << (BITS - 1);

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
            for (int i = from; i < from + groupSize; i++) {
                row[i] = values[code(packed, i)];
            }
        }
    }

    /**
     * Turns a row of 4-bit codes into one of 8-bit codes: the same as {@link #decode}, then {@link Int8#encode}, but rounds
     * each level of a group once instead of every weight.
     *
     * @param packed (columns / 2)
     * @param groupSize a multiple of 16; divides the columns
     * @param codes (columns)
     * @return the row's scale, as of {@link Int8#encode}
     * @throws IllegalArgumentException when a weight is infinite or not a number
     */
    public static float toInt8(byte[] packed, int groupSize, Levels levels, byte[] codes) {
        int groups = codes.length / groupSize;
        int bytes = groupSize / 2;
        float[] values = new float[LEVELS];
        float largest = 0;
        for (int group = 0; group < groups; group++) {
            levels.read(group, values);
            for (int code = 0; code < LEVELS; code++) {
                float magnitude = Math.abs(values[code]);
                // A level that no weight has must not set the scale.
                if (!(magnitude <= largest) && occurs(code, packed, group * bytes, bytes)) {
                    largest = Math.max(largest, magnitude); // not a number wins in Math.max, and stays
                }
            }
        }
        float scale = Int8.scale(largest);
        long[] rounded = new long[LEVELS];
        for (int group = 0; group < groups; group++) {
            levels.read(group, values);
            for (int code = 0; code < LEVELS; code++) {
                rounded[code] = (byte) Math.rint((double) values[code] / scale) & 0xff;
            }
            translate(packed, group * bytes, (group + 1) * bytes, rounded, codes);
        }
        return scale;
    }

    /** Whether a code is among packed ones: a half byte of 0 borrows from its top bit when 1 is subtracted. */
    private static boolean occurs(int code, byte[] packed, int from, int length) {
        long pattern = ONES * code;
        long found = 0;
        for (int at = from; at < from + length; at += Long.BYTES) {
            long differences = (long) WORD.get(packed, at) ^ pattern;
            found |= (differences - ONES) & ~differences & TOP_BITS;
        }
        return found != 0;
    }

    /** Replaces 4-bit codes by bytes, eight at a time. */
    private static void translate(byte[] packed, int from, int to, long[] bytes, byte[] target) {
        for (int at = from; at < to; at += Integer.BYTES) {
            int word = (int) HALF_WORD.get(packed, at);
            long first = bytes[word >> 4 & MASK] | (bytes[word & MASK] << 8);
            long second = bytes[word >> 12 & MASK] | (bytes[word >> 8 & MASK] << 8);
            long third = bytes[word >> 20 & MASK] | (bytes[word >> 16 & MASK] << 8);
            long fourth = bytes[word >> 28 & MASK] | (bytes[word >> 24 & MASK] << 8);
            WORD.set(target, 2 * at, first | (second << 16) | (third << 32) | (fourth << 48));
        }
    }
}
