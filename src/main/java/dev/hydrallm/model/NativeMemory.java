package dev.hydrallm.model;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Pages of Linux's own, in large pages where there are any: an arena's memory would be filled with zeros a second time, and what
 * the C library frees it may keep.
 */
final class NativeMemory {
    private static final int READ_WRITE = 3;
    private static final int PRIVATE_ANONYMOUS = 0x22;
    private static final int HUGE_PAGE = 14;
    private static final long FAILED = -1;

    private static final MethodHandle MAP = function(
            "mmap",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_LONG,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_INT,
                    ValueLayout.JAVA_LONG));
    private static final MethodHandle ADVISE = function(
            "madvise",
            FunctionDescriptor.of(
                    ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
    private static final MethodHandle UNMAP = function(
            "munmap", FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

    private NativeMemory() {}

    @SuppressWarnings("restricted") // plain functions of the C library
    private static MethodHandle function(String name, FunctionDescriptor type) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
    }

    /**
     * Zeros that begin at a page and live as long as the arena.
     *
     * @throws OutOfMemoryError when the kernel has no room
     */
    @SuppressWarnings("restricted") // the pages are exactly these
    static MemorySegment allocate(long bytes, Arena arena) {
        long address = call(MAP, 0L, bytes, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
        if (address == FAILED) {
            throw new OutOfMemoryError("no room for a tensor of " + bytes + " bytes");
        }
        // A kernel without large pages refuses; then they are small.
        call(ADVISE, address, bytes, HUGE_PAGE);
        return MemorySegment.ofAddress(address).reinterpret(bytes, arena, pages -> call(UNMAP, pages.address(), bytes));
    }

    private static long call(MethodHandle function, Object... arguments) {
        try {
            return ((Number) function.invokeWithArguments(arguments)).longValue();
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
