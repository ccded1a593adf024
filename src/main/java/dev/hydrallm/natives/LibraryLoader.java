package dev.hydrallm.natives;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/** Loads a shared library that is part of the program: from memory, else from a file, which not every folder lets be executed. */
final class LibraryLoader {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final int CLOSE_ON_EXEC = 1;

    private LibraryLoader() {}

    /**
     * Loads a library for as long as the process lives.
     *
     * @param folder of the file, where memory cannot be loaded from
     * @throws IllegalStateException when neither can be
     */
    static SymbolLookup load(byte[] library, Path folder) {
        try {
            return fromMemory(library);
        } catch (IOException | IllegalArgumentException refused) {
            try {
                return fromFile(library, folder);
            } catch (IllegalStateException e) {
                e.addSuppressed(refused);
                throw e;
            }
        }
    }

    /**
     * From an anonymous file of the system.
     *
     * @throws IOException when the system has none
     * @throws IllegalArgumentException when it does not let it be executed
     */
    static SymbolLookup fromMemory(byte[] library) throws IOException {
        int descriptor = create();
        if (descriptor < 0) {
            throw new IOException("there are no anonymous files");
        }
        try {
            Path file = Path.of("/proc/self/fd", String.valueOf(descriptor));
            Files.write(file, library);
            return lookup(file);
        } finally {
            close(descriptor);
        }
    }

    /**
     * From a file that goes as soon as it is loaded.
     *
     * @throws IllegalStateException when the folder cannot be written or executed in
     */
    static SymbolLookup fromFile(byte[] library, Path folder) {
        try {
            Path file = Files.createTempFile(folder, "hydra", ".so");
            try {
                Files.write(file, library);
                return lookup(file);
            } finally {
                Files.delete(file);
            }
        } catch (IOException | IllegalArgumentException e) {
            throw new IllegalStateException(
                    "the kernels cannot be loaded from " + folder + " (" + e.getMessage()
                            + "): name a folder that can be written and is not mounted noexec with"
                            + " HYDRA_JAVA_OPTS=-Djava.io.tmpdir=FOLDER, or take --engine torch",
                    e);
        }
    }

    @SuppressWarnings("restricted") // our own library
    private static SymbolLookup lookup(Path file) {
        // By its name: of a path Java loads what it leads to, and an anonymous file has no place of its own.
        return SymbolLookup.libraryLookup(file.toString(), Arena.global());
    }

    private static int create() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocateFrom("hydra-kernels");
            return (int) function("memfd_create", FunctionDescriptor.of(INT, ValueLayout.ADDRESS, INT))
                    .invokeExact(name, CLOSE_ON_EXEC);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    private static void close(int descriptor) throws IOException {
        try {
            int _ = (int) function("close", FunctionDescriptor.of(INT, INT)).invokeExact(descriptor);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    @SuppressWarnings("restricted") // the C library's own
    private static MethodHandle function(String name, FunctionDescriptor type) throws IOException {
        Linker linker = Linker.nativeLinker();
        MemorySegment address =
                linker.defaultLookup().find(name).orElseThrow(() -> new IOException("the C library has no " + name));
        return linker.downcallHandle(address, type);
    }

    private static IOException failure(Throwable e) throws IOException {
        if (e instanceof Error error) {
            throw error;
        }
        return e instanceof IOException known ? known : new IOException(e);
    }
}
