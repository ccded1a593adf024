package dev.hydrallm.engine.torch;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;

/** What glibc's heap, from which libtorch takes its memory, has handed out. */
@SuppressWarnings("restricted") // the tests allow native access
final class NativeMemory {
    /** The place of the bytes in mappings of their own, and of those in use, among a mallinfo2's ten. */
    private static final int MAPPED = 4;

    private static final int IN_USE = 7;

    private NativeMemory() {}

    /** Bytes, without those of Java's buffers, which wait for the collector. */
    static long inUse() {
        Linker linker = Linker.nativeLinker();
        StructLayout counts = MemoryLayout.structLayout(MemoryLayout.sequenceLayout(10, ValueLayout.JAVA_LONG));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment found = (MemorySegment) linker.downcallHandle(
                            linker.defaultLookup().find("mallinfo2").orElseThrow(), FunctionDescriptor.of(counts))
                    .invokeExact((SegmentAllocator) arena);
            return found.getAtIndex(ValueLayout.JAVA_LONG, MAPPED)
                    + found.getAtIndex(ValueLayout.JAVA_LONG, IN_USE)
                    - ofBuffers();
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static long ofBuffers() {
        return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .mapToLong(BufferPoolMXBean::getMemoryUsed)
                .sum();
    }
}
