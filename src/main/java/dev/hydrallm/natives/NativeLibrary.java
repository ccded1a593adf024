package dev.hydrallm.natives;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The functions of {@code src/main/c}; {@code hydra.h} says what each does. They are part of the program where a C compiler built
 * it. Thread-safe.
 */
public final class NativeLibrary {
    private static final String FILE = "libhydra.so";

    private final SymbolLookup symbols;
    private final Linker linker = Linker.nativeLinker();

    /** Loaded when first asked for. */
    private static final class Loaded {
        static final Supplier<Optional<NativeLibrary>> LIBRARY = load();
    }

    private NativeLibrary(SymbolLookup symbols) {
        this.symbols = symbols;
    }

    /**
     * The library; empty where it was not built.
     *
     * @throws IllegalStateException when it is there and cannot be loaded
     */
    public static Optional<NativeLibrary> find() {
        return Loaded.LIBRARY.get();
    }

    /** What fails is told to everyone who asks. */
    private static Supplier<Optional<NativeLibrary>> load() {
        try (InputStream in = NativeLibrary.class.getResourceAsStream(FILE)) {
            if (in == null) {
                return Optional::empty;
            }
            Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
            Optional<NativeLibrary> library =
                    Optional.of(new NativeLibrary(LibraryLoader.load(in.readAllBytes(), temporary)));
            return () -> library;
        } catch (IOException e) {
            throw new UncheckedIOException("the program's file cannot be read", e);
        } catch (IllegalStateException e) {
            return () -> {
                throw e;
            };
        }
    }

    /** A function that returns something. */
    public MethodHandle function(String name, MemoryLayout result, MemoryLayout... arguments) {
        return bind(name, FunctionDescriptor.of(result, arguments));
    }

    /** A function that returns nothing. */
    public MethodHandle procedure(String name, MemoryLayout... arguments) {
        return bind(name, FunctionDescriptor.ofVoid(arguments));
    }

    @SuppressWarnings("restricted") // our own library
    private MethodHandle bind(String name, FunctionDescriptor type) {
        return linker.downcallHandle(symbols.findOrThrow(name), type);
    }

    /** Tells what a call threw: a function of the library has no exceptions, so it is an error of this program. */
    public static RuntimeException failure(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return e instanceof RuntimeException known ? known : new IllegalStateException(e);
    }
}
