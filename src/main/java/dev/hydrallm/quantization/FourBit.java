package dev.hydrallm.quantization;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;

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

    /**
     * What the codes of some groups stand for: {@code pattern[code] × factors[group] + offsets[group]}.
     *
     * @param pattern ({@value #LEVELS}), ascending
     * @param factors (groups)
     * @param offsets (groups); −0, for adding it changes no bit, where there are none
     */
    public record Levels(float[] pattern, float[] factors, float[] offsets) {
        /** Levels without offsets. */
        static Levels of(float[] pattern, float[] factors) {
            float[] none = new float[factors.length];
            Arrays.fill(none, -0f);
            return new Levels(pattern, factors, none);
        }

        /** Those of some groups behind each other, such as a row's. */
        public Levels groups(int first, int count) {
            return new Levels(
                    pattern,
                    Arrays.copyOfRange(factors, first, first + count),
                    Arrays.copyOfRange(offsets, first, first + count));
        }

        /** Tells the values of one group's codes, which go to {@code values} from {@code at} on. */
        void read(int group, float[] values, int at) {
            for (int code = 0; code < LEVELS; code++) {
                values[at + code] = pattern[code] * factors[group] + offsets[group];
            }
        }
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
     * @param levels of the row's groups
     * @param row (columns)
     */
    public static void decode(byte[] packed, int groupSize, Levels levels, float[] row) {
        float[] values = new float[LEVELS];
        for (int from = 0; from < row.length; from += groupSize) {
            levels.read(from / groupSize, values, 0);
            for (int i = from; i < from + groupSize; i++) {
                row[i] = values[code(packed, i)];
            }
        }
    }

    /** Turns rows of 4-bit codes into such of 8-bit codes. Not thread-safe: it holds a row's levels. */
    public static final class Expansion {
        private final int groupSize;
        private final float[] values;
        private final int[] rounded;

        /**
         * For rows of one length.
         *
         * @param groupSize a multiple of 16; divides the columns
         */
        public Expansion(int columns, int groupSize) {
            this.groupSize = groupSize;
            this.values = new float[columns / groupSize * LEVELS];
            this.rounded = new int[values.length];
        }

        /**
         * Turns a row: the same as {@link FourBit#decode}, then {@link Int8#encode}, but rounds each level of a group once
         * instead of every weight.
         *
         * @param packed (columns / 2)
         * @param levels of the row's groups
         * @param codes (columns)
         * @return the row's scale, as of {@link Int8#encode}
         * @throws IllegalArgumentException when a weight is infinite or not a number
         */
        public float toInt8(byte[] packed, Levels levels, byte[] codes) {
            int bytes = groupSize / 2;
            int groups = values.length / LEVELS;
            for (int group = 0; group < groups; group++) {
                levels.read(group, values, group * LEVELS);
            }
            float largest = 0;
            for (int group = 0; group < groups; group++) {
                largest = largest(packed, group * bytes, group * LEVELS, largest);
            }
            float scale = Int8.scale(largest);
            // All groups in one loop, which the compiler turns into vectors.
            for (int level = 0; level < rounded.length; level++) {
                rounded[level] = (int) Math.rint((double) values[level] / scale) & 0xff;
            }
            int[] table = new int[LEVELS]; // of a length that the compiler knows
            for (int group = 0; group < groups; group++) {
                System.arraycopy(rounded, group * LEVELS, table, 0, LEVELS);
                translate(packed, group * bytes, bytes, table, codes);
            }
            return scale;
        }

        /** The largest magnitude of a group's weights and of those before; a level that no weight has does not count. */
        private float largest(byte[] packed, int from, int at, float before) {
            float bound = Math.max(Math.abs(values[at]), Math.abs(values[at + LEVELS - 1]));
            float largest = before;
            if (!(bound <= largest)) {
                for (int code = 0; code < LEVELS; code++) {
                    float magnitude = Math.abs(values[at + code]);
                    if (!(magnitude <= largest) && occurs(code, packed, from, groupSize / 2)) {
                        largest = Math.max(largest, magnitude); // not a number wins in Math.max, and stays
                    }
                }
            }
            return largest;
        }
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

    /** Replaces the 4-bit codes of a group by bytes, eight at a time. */
    private static void translate(byte[] packed, int from, int length, int[] table, byte[] target) {
        for (int at = from; at < from + length; at += Integer.BYTES) {
            int word = (int) HALF_WORD.get(packed, at);
            int low = table[word >> 4 & MASK]
                    | table[word & MASK] << 8
                    | table[word >> 12 & MASK] << 16
                    | table[word >> 8 & MASK] << 24;
            int high = table[word >> 20 & MASK]
                    | table[word >> 16 & MASK] << 8
                    | table[word >>> 28] << 16
                    | table[word >> 24 & MASK] << 24;
            WORD.set(target, 2 * at, Integer.toUnsignedLong(low) | (long) high << Integer.SIZE);
        }
    }
}
