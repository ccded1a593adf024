package dev.hydrallm.engine.cpu;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The compiled kernels, {@code src/main/c}; {@code hydra.h} says what each function does. They are part of the program where a C
 * compiler built it.
 */
final class Kernels {
    /** Outputs that are computed together: matrices are padded to a multiple of it. */
    static final int TILE = 32;

    /** Keys that stand together in the cache. */
    static final int BLOCK = 16;

    private static final String LIBRARY = "libhydra.so";

    private static final AddressLayout POINTER = ValueLayout.ADDRESS;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    private final SymbolLookup library;
    private final Linker linker = Linker.nativeLinker();
    private final MethodHandle allocate;
    private final MethodHandle free;
    private final MethodHandle pack;
    private final MethodHandle packFourBits;
    private final MethodHandle decode;
    private final MethodHandle norm;
    private final MethodHandle linear;
    private final MethodHandle residual;
    private final MethodHandle keep;
    private final MethodHandle top;
    private final MethodHandle softmax;
    private final MethodHandle entropy;

    /** Loaded when first asked for. */
    private static final class Loaded {
        static final Supplier<Optional<Kernels>> KERNELS = load();
    }

    private Kernels(SymbolLookup library) {
        this.library = library;
        allocate = function("hydra_allocate", POINTER, LONG);
        free = procedure("hydra_free", POINTER, LONG);
        pack = procedure("hydra_pack", POINTER, LONG, LONG, POINTER);
        packFourBits = function("hydra_pack_four_bits", INT, POINTER, POINTER, POINTER, POINTER);
        decode = procedure("hydra_decode", POINTER, POINTER, LONG, LONG, POINTER, POINTER, LONG, POINTER);
        norm = procedure("hydra_norm", POINTER, POINTER, POINTER, LONG, POINTER);
        linear = procedure("hydra_linear", POINTER, POINTER, POINTER, LONG, POINTER);
        residual = procedure("hydra_residual", POINTER, POINTER, POINTER, POINTER, LONG, POINTER);
        keep = procedure("hydra_keep", POINTER, LONG, POINTER, POINTER, LONG, POINTER, LONG);
        top = procedure("hydra_top", POINTER, LONG, POINTER, LONG);
        softmax = procedure("hydra_softmax", POINTER, LONG, FLOAT);
        entropy = function("hydra_entropy", FLOAT, POINTER, LONG);
    }

    /**
     * The kernels; empty where they were not built or this processor is too old for them.
     *
     * @throws IllegalStateException when they are there and cannot be loaded
     */
    static Optional<Kernels> ofProcessor() {
        return Loaded.KERNELS.get();
    }

    /** What fails is told to everyone who asks. */
    private static Supplier<Optional<Kernels>> load() {
        try (InputStream in = Kernels.class.getResourceAsStream(LIBRARY)) {
            if (in == null) {
                return Optional::empty;
            }
            Path temporary = Path.of(System.getProperty("java.io.tmpdir"));
            Kernels kernels = new Kernels(KernelLibrary.load(in.readAllBytes(), temporary));
            Optional<Kernels> usable = kernels.level() > 0 ? Optional.of(kernels) : Optional.empty();
            return () -> usable;
        } catch (IOException e) {
            throw new UncheckedIOException("the program's file cannot be read", e);
        } catch (IllegalStateException e) {
            return () -> {
                throw e;
            };
        }
    }

    private MethodHandle function(String name, MemoryLayout result, MemoryLayout... arguments) {
        return bind(name, FunctionDescriptor.of(result, arguments));
    }

    private MethodHandle procedure(String name, MemoryLayout... arguments) {
        return bind(name, FunctionDescriptor.ofVoid(arguments));
    }

    @SuppressWarnings("restricted") // our own library
    private MethodHandle bind(String name, FunctionDescriptor type) {
        return linker.downcallHandle(library.findOrThrow(name), type);
    }

    /** The instructions of this processor: 2 with VNNI, 1 with AVX2, 0 too old. */
    int level() {
        try {
            return (int) function("hydra_level", INT).invokeExact();
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /** Uses no more than a level's instructions from now on, for tests of the lower ones. */
    void limit(int level) {
        try {
            procedure("hydra_limit", INT).invokeExact(level);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /** Starts threads until there are so many, the calling one included. */
    void threads(long count) {
        try {
            procedure("hydra_threads", LONG).invokeExact(count);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /** Numbers of a thread's part of a workspace's scores. */
    long scores(MemorySegment shape) {
        try {
            return (long) function("hydra_scores", LONG, POINTER).invokeExact(shape);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /**
     * Zeroed memory, on large pages where the system has them, that lives as long as the arena.
     *
     * @throws IllegalStateException when the system has no room
     */
    @SuppressWarnings("restricted") // exactly the bytes that were asked for
    MemorySegment allocate(long bytes, Arena arena) {
        try {
            MemorySegment memory = (MemorySegment) allocate.invokeExact(bytes);
            if (memory.address() == 0) {
                throw new IllegalStateException("no room for " + (bytes >> 20)
                        + " MiB of the model: give fewer --slots, a shorter --context or a smaller model");
            }
            return memory.reinterpret(bytes, arena, this::free);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    private void free(MemorySegment memory) {
        try {
            free.invokeExact(memory, memory.byteSize());
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    void pack(MemorySegment codes, long outputs, long inputs, MemorySegment tiles) {
        try {
            pack.invokeExact(codes, outputs, inputs, tiles);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /**
     * Packs a matrix of 4-bit codes.
     *
     * @param structure {@code hydra_four_bits}
     * @param room for {@value #TILE} outputs' int8 codes
     * @return whether all weights are finite; if not, the tiles are unfinished
     */
    boolean packFourBits(MemorySegment structure, MemorySegment room, MemorySegment tiles, MemorySegment scales) {
        try {
            return (int) packFourBits.invokeExact(structure, room, tiles, scales) == 1;
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    void decode(
            MemorySegment shape,
            MemorySegment layers,
            long from,
            long to,
            MemorySegment workspace,
            MemorySegment sequences,
            long count,
            MemorySegment x) {
        try {
            decode.invokeExact(shape, layers, from, to, workspace, sequences, count, x);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    void norm(MemorySegment shape, MemorySegment gain, MemorySegment x, long rows, MemorySegment out) {
        try {
            norm.invokeExact(shape, gain, x, rows, out);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    void linear(MemorySegment workspace, MemorySegment matrix, MemorySegment x, long rows, MemorySegment out) {
        try {
            linear.invokeExact(workspace, matrix, x, rows, out);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    void residual(
            MemorySegment workspace,
            MemorySegment matrix,
            MemorySegment bias,
            MemorySegment x,
            long rows,
            MemorySegment out) {
        try {
            residual.invokeExact(workspace, matrix, bias, x, rows, out);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    void keep(
            MemorySegment shape,
            long layers,
            MemorySegment keys,
            MemorySegment values,
            long start,
            MemorySegment path,
            long length) {
        try {
            keep.invokeExact(shape, layers, keys, values, start, path, length);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    void top(MemorySegment row, long count, MemorySegment places, long wanted) {
        try {
            top.invokeExact(row, count, places, wanted);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    void softmax(MemorySegment row, long count, float temperature) {
        try {
            softmax.invokeExact(row, count, temperature);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    float entropy(MemorySegment probabilities, long count) {
        try {
            return (float) entropy.invokeExact(probabilities, count);
        } catch (Throwable e) {
            throw failure(e);
        }
    }

    /** What a downcall throws besides errors of the program does not exist. */
    private static RuntimeException failure(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return e instanceof RuntimeException known ? known : new IllegalStateException(e);
    }
}
