package dev.hydrallm.engine.torch;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/**
 * glibc's heap, from which libtorch takes its memory. It keeps blocks that were freed, for each thread apart: right for the
 * results of operators, which come and go at every step, but weights are there once, and what is left between them stays.
 */
final class NativeHeap {
    private static final int TRIM_THRESHOLD = -1;
    private static final int MMAP_THRESHOLD = -3;
    private static final int MIB = 1 << 20;

    /** Where glibc's own adjustment of both thresholds ends. */
    private static final int MOST_KEPT = 32 * MIB;

    private NativeHeap() {}

    /** Gives every block from 1 MiB on pages of its own, which the kernel takes back. */
    static void giveBackBlocks() {
        set(MMAP_THRESHOLD, MIB);
    }

    /** Keeps blocks up to 32 MiB again. */
    static void keepBlocks() {
        set(MMAP_THRESHOLD, MOST_KEPT);
        set(TRIM_THRESHOLD, 2 * MOST_KEPT);
    }

    @SuppressWarnings("restricted") // the launcher and the tests allow native access, as DJL needs it too
    private static void set(int what, int bytes) {
        Linker linker = Linker.nativeLinker();
        Optional<MemorySegment> mallopt = linker.defaultLookup().find("mallopt");
        if (mallopt.isEmpty()) {
            return; // another C library: it has ways of its own
        }
        try {
            int done = (int) linker.downcallHandle(
                            mallopt.get(),
                            FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT))
                    .invokeExact(what, bytes);
            if (done != 1) {
                throw new IllegalStateException("mallopt refused " + bytes);
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
