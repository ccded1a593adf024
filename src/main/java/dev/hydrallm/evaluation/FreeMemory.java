package dev.hydrallm.evaluation;

import dev.hydrallm.model.TensorMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;

/**
 * The memory that the kernel has to give when a measured pass begins. The host of a virtual machine takes unused pages back, and
 * giving one again takes it longer than all that a load does with it: what is compared has to begin with the same.
 *
 * <p>Linux tells the host what is unused (free page reporting) two seconds after something was freed, at most a sixteenth of what is
 * free at once, and goes on every two seconds. While it does, everything else runs at half its speed.
 */
@FunctionalInterface
public interface FreeMemory {
    /** As much was in use a moment before, and nothing is told to the host for the two seconds to come. */
    FreeMemory TOUCHED = new Touched(Duration.ofMillis(4500));

    /**
     * Puts free memory into the state that a pass begins with.
     *
     * @param bytes that the pass may need
     */
    void prepare(long bytes);

    /**
     * Uses memory, waits and frees it.
     *
     * @param held how long it is kept where it is much: until the host was told of all else that was freed
     */
    record Touched(Duration held) implements FreeMemory {
        private static final long PAGE = 4 << 10;

        /** Bytes from which on it matters what the host does. */
        private static final long MUCH = 256 << 20;

        @Override
        public void prepare(long bytes) {
            long touched = touchable(bytes, Machine.freeMemory());
            try (TensorMemory memory = new TensorMemory()) {
                MemorySegment pages = memory.lease(touched).bytes();
                for (long page = 0; page < touched; page += PAGE) {
                    pages.set(ValueLayout.JAVA_BYTE, page, (byte) 1);
                }
                if (touched >= MUCH) {
                    await(held);
                }
            }
        }

        /** Some is left free: to take more, the kernel would forget files, and a cold pass needs pages that are in use anyway. */
        static long touchable(long bytes, long free) {
            return Math.min(bytes, free / 8 * 7);
        }
    }

    /**
     * Lets it be, so that the host has taken what was freed before: all that a pass before used, if that was less than half of all
     * free memory, after sixteen seconds.
     */
    record Idle(Duration time) implements FreeMemory {
        @Override
        public void prepare(long bytes) {
            await(time);
        }
    }

    private static void await(Duration time) {
        try {
            Thread.sleep(time);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }
}
