package dev.hydrallm.engine.cpu;

import dev.hydrallm.natives.NativeLibrary;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/** The functions of {@link NativeLibrary} that compute, on memory outside the heap; {@code hydra.h} says what each does. */
final class Kernels {
    /** Outputs that are computed together: matrices are padded to a multiple of it. */
    static final int TILE = 32;

    /** Keys that stand together in the cache. */
    static final int BLOCK = 16;

    private static final AddressLayout POINTER = ValueLayout.ADDRESS;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

    private final NativeLibrary library;
    private final MethodHandle pack;
    private final MethodHandle packFourBits;
    private final MethodHandle decode;
    private final MethodHandle norm;
    private final MethodHandle linear;
    private final MethodHandle addLinear;
    private final MethodHandle residual;
    private final MethodHandle keep;
    private final MethodHandle top;
    private final MethodHandle softmax;
    private final MethodHandle entropy;

    /** Loaded when first asked for. */
    private static final class Loaded {
        static final Optional<Kernels> KERNELS =
                NativeLibrary.find().map(Kernels::new).filter(kernels -> kernels.level() > 0);
    }

    private Kernels(NativeLibrary library) {
        this.library = library;
        pack = library.procedure("hydra_pack", POINTER, LONG, LONG, LONG, LONG, POINTER);
        packFourBits = library.procedure("hydra_pack_four_bits", POINTER, POINTER, LONG, LONG, POINTER, POINTER);
        decode = library.procedure("hydra_decode", POINTER, POINTER, LONG, LONG, POINTER, POINTER, LONG, POINTER);
        norm = library.procedure("hydra_norm", POINTER, POINTER, POINTER, LONG, POINTER);
        linear = library.procedure("hydra_linear", POINTER, POINTER, POINTER, LONG, POINTER);
        addLinear = library.procedure("hydra_add_linear", POINTER, POINTER, POINTER, LONG, POINTER);
        residual = library.procedure("hydra_residual", POINTER, POINTER, POINTER, POINTER, LONG, POINTER);
        keep = library.procedure("hydra_keep", POINTER, LONG, POINTER, POINTER, LONG, POINTER, LONG);
        top = library.procedure("hydra_top", POINTER, LONG, POINTER, LONG);
        softmax = library.procedure("hydra_softmax", POINTER, LONG, FLOAT);
        entropy = library.function("hydra_entropy", FLOAT, POINTER, LONG);
    }

    /**
     * The kernels; empty where they were not built or this processor is too old for them.
     *
     * @throws IllegalStateException when they are there and cannot be loaded
     */
    static Optional<Kernels> ofProcessor() {
        NativeLibrary.find(); // throws again what loading threw, where a static field's class would be broken
        return Loaded.KERNELS;
    }

    /** The instructions of this processor: 2 with VNNI, 1 with AVX2, 0 too old. */
    int level() {
        try {
            return (int) library.function("hydra_level", INT).invokeExact();
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    /** Uses no more than a level's instructions from now on, for tests of the lower ones. */
    void limit(int level) {
        try {
            library.procedure("hydra_limit", INT).invokeExact(level);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    /** Starts threads until there are so many, the calling one included. */
    void threads(long count) {
        try {
            library.procedure("hydra_threads", LONG).invokeExact(count);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    /** Numbers of a thread's part of a workspace's scores. */
    long scores(MemorySegment shape) {
        try {
            return (long) library.function("hydra_scores", LONG, POINTER).invokeExact(shape);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    /**
     * Packs a part of a matrix.
     *
     * @param codes as they stand in (outputs, inputs) from the place {@code from} on
     */
    void pack(MemorySegment codes, long from, long outputs, long inputs, MemorySegment tiles) {
        try {
            pack.invokeExact(codes, from, codes.byteSize(), outputs, inputs, tiles);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    /**
     * Packs rows of a matrix of 4-bit codes.
     *
     * @param structure {@code hydra_four_bits}
     * @param codes theirs, whole rows from {@code row} on
     * @param scales of all rows; those of these rows are written, one that is infinite or NaN if a weight of its row is
     */
    void packFourBits(
            MemorySegment structure,
            MemorySegment codes,
            long row,
            long rows,
            MemorySegment tiles,
            MemorySegment scales) {
        try {
            packFourBits.invokeExact(structure, codes, row, rows, tiles, scales);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
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
            throw NativeLibrary.failure(e);
        }
    }

    void norm(MemorySegment shape, MemorySegment gain, MemorySegment x, long rows, MemorySegment out) {
        try {
            norm.invokeExact(shape, gain, x, rows, out);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    void linear(MemorySegment workspace, MemorySegment matrix, MemorySegment x, long rows, MemorySegment out) {
        try {
            linear.invokeExact(workspace, matrix, x, rows, out);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    void addLinear(MemorySegment workspace, MemorySegment matrix, MemorySegment x, long rows, MemorySegment out) {
        try {
            addLinear.invokeExact(workspace, matrix, x, rows, out);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
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
            throw NativeLibrary.failure(e);
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
            throw NativeLibrary.failure(e);
        }
    }

    void top(MemorySegment row, long count, MemorySegment places, long wanted) {
        try {
            top.invokeExact(row, count, places, wanted);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    void softmax(MemorySegment row, long count, float temperature) {
        try {
            softmax.invokeExact(row, count, temperature);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }

    float entropy(MemorySegment probabilities, long count) {
        try {
            return (float) entropy.invokeExact(probabilities, count);
        } catch (Throwable e) {
            throw NativeLibrary.failure(e);
        }
    }
}
