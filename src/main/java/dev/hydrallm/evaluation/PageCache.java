package dev.hydrallm.evaluation;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The kernel's page cache, asked to forget files by Linux's {@code posix_fadvise}: no privileges needed. */
final class PageCache {
    private static final int READ_ONLY = 0;
    private static final int DONT_NEED = 4;

    private static final MethodHandle OPEN = function("open", ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
    private static final MethodHandle ADVISE = function(
            "posix_fadvise", ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT);
    private static final MethodHandle CLOSE = function("close", ValueLayout.JAVA_INT);

    private PageCache() {}

    @SuppressWarnings("restricted") // plain functions of the C library
    private static MethodHandle function(String name, java.lang.foreign.MemoryLayout... arguments) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(
                linker.defaultLookup().findOrThrow(name), FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }

    /** Forgets all files below these; pages that a process holds mapped stay. */
    static void forget(List<Path> places) throws IOException {
        for (Path place : places) {
            try (Stream<Path> files = Files.walk(place)) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    forget(file);
                }
            }
        }
    }

    private static void forget(Path file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            int descriptor = (int) OPEN.invokeExact(arena.allocateFrom(file.toString()), READ_ONLY);
            if (descriptor < 0) {
                throw new IOException(file + " cannot be opened");
            }
            int advised = (int) ADVISE.invokeExact(descriptor, 0L, 0L, DONT_NEED);
            int closed = (int) CLOSE.invokeExact(descriptor);
            if (advised != 0 || closed != 0) {
                throw new IOException("the kernel keeps " + file + " (error " + advised + ")");
            }
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
