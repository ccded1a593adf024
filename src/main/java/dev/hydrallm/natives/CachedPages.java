package dev.hydrallm.natives;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** What the kernel's page cache holds of a file, told by Linux's {@code mincore}, which reads nothing. */
public final class CachedPages {
    private static final long PAGE = 4 << 10;

    private static final MethodHandle IN_CORE = inCore();

    private CachedPages() {}

    @SuppressWarnings("restricted") // a plain function of the C library
    private static MethodHandle inCore() {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow("mincore"),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));
    }

    /** Bytes of {@link #hold}'s notes for so many bytes of a file. */
    public static long notes(long bytes) {
        return Math.ceilDiv(bytes, PAGE);
    }

    /**
     * Whether all pages are there. Of a file that this user may not write Linux tells nothing; it is taken for held then.
     *
     * @param mapped bytes of a mapped file, from a page's first on
     * @param notes room for what the kernel says of each page
     */
    public static boolean hold(MemorySegment mapped, MemorySegment notes) {
        try {
            if ((int) IN_CORE.invokeExact(mapped, mapped.byteSize(), notes) != 0) {
                return true;
            }
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
        for (long page = 0; page < notes(mapped.byteSize()); page++) {
            if ((notes.get(ValueLayout.JAVA_BYTE, page) & 1) == 0) {
                return false;
            }
        }
        return true;
    }
}
