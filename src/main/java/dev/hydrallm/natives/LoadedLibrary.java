package dev.hydrallm.natives;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Functions of a library that is in this process already, because another one needs it. It is found among the files that are mapped,
 * for its name differs from build to build; being there already, it is not loaded again.
 */
public final class LoadedLibrary {
    private static final Path MAPS = Path.of("/proc/self/maps");

    private final SymbolLookup library;

    private LoadedLibrary(SymbolLookup library) {
        this.library = library;
    }

    /** The library whose file's name begins so; empty if none is loaded. */
    @SuppressWarnings("restricted") // the launcher and the tests allow native access, as DJL needs it too
    public static Optional<LoadedLibrary> of(String beginning) {
        try (Stream<String> lines = Files.lines(MAPS)) {
            return lines.map(line -> line.substring(Math.max(0, line.indexOf('/'))))
                    .filter(path -> path.substring(path.lastIndexOf('/') + 1).startsWith(beginning))
                    .findFirst()
                    .map(path -> new LoadedLibrary(SymbolLookup.libraryLookup(Path.of(path), Arena.global())));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A function that returns an error code. */
    @SuppressWarnings("restricted")
    public MethodHandle function(String name, MemoryLayout... arguments) {
        MemorySegment address =
                library.find(name).orElseThrow(() -> new IllegalStateException("the library has no function " + name));
        return Linker.nativeLinker().downcallHandle(address, FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments));
    }

    /** The function that says what an error code of the others means. */
    @SuppressWarnings("restricted")
    public MethodHandle describer(String name) {
        MemorySegment address = library.find(name).orElseThrow();
        return Linker.nativeLinker()
                .downcallHandle(
                        address,
                        FunctionDescriptor.of(
                                ValueLayout.ADDRESS.withTargetLayout(
                                        MemoryLayout.sequenceLayout(4096, ValueLayout.JAVA_BYTE)),
                                ValueLayout.JAVA_INT));
    }
}
