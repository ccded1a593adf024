package dev.hydrallm.checkpoint;

import java.util.SplittableRandom;

/**
 * Rows of normal numbers, each row the same whenever it is read. A number is one of 65,536 that were drawn once: seven
 * billion of them take seconds, and nobody needs rarer ones.
 *
 * @param deviation their standard deviation
 */
record NormalRows(long count, float deviation, long seed) implements Rows {
    private static final float[] DRAWN = new float[1 << Short.SIZE];

    static {
        SplittableRandom random = new SplittableRandom(0);
        for (int i = 0; i < DRAWN.length; i++) {
            DRAWN[i] = (float) random.nextGaussian();
        }
    }

    @Override
    public void read(long row, float[] target) {
        SplittableRandom random = new SplittableRandom(seed + row);
        long bits = 0;
        for (int i = 0; i < target.length; i++) {
            bits = i % (Long.SIZE / Short.SIZE) == 0 ? random.nextLong() : bits >>> Short.SIZE;
            target[i] = DRAWN[(int) (bits & 0xffff)] * deviation;
        }
    }
}
