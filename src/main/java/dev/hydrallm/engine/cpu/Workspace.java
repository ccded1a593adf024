package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.Rotary;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.natives.LargePages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.stream.IntStream;

/** Makes what the kernels are told of a model, and the memory that they work in; both live as long as the arena. */
final class Workspace {
    private static final int SHAPE_FIELDS = 8;
    private static final int FIELDS = 9;

    private final Kernels kernels;
    private final Architecture model;
    private final Arena arena;

    Workspace(Kernels kernels, Architecture model, Arena arena) {
        this.kernels = kernels;
        this.model = model;
        this.arena = arena;
    }

    /**
     * A {@code hydra_shape}.
     *
     * @param context tokens of a sequence
     * @param cacheRows rows of a slot's cache, a multiple of {@link Kernels#BLOCK}
     */
    MemorySegment shape(int context, int cacheRows) {
        MemorySegment table = arena.allocate(cacheRows * (long) model.headDim() * Float.BYTES, Float.BYTES)
                .copyFrom(MemorySegment.ofBuffer(Rotary.table(model, context, cacheRows)));
        return Struct.of(SHAPE_FIELDS, arena)
                .number(model.hiddenSize())
                .number(model.intermediateSize())
                .number(model.heads())
                .number(model.kvHeads())
                .number(model.headDim())
                .number(cacheRows)
                .real(model.normEpsilon())
                .pointer(table)
                .memory();
    }

    /** A {@code hydra_workspace} for calls on up to {@code rows} rows and on so many threads, which are started. */
    MemorySegment of(int rows, int threads, MemorySegment shape) {
        int widest = IntStream.of(model.hiddenSize(), model.intermediateSize(), model.attentionSize())
                .max()
                .orElseThrow();
        kernels.threads(threads);
        return Struct.of(FIELDS, arena)
                .number(threads)
                .pointer(LargePages.allocate(rows * (widest + 3L), arena)) // a row of codes is padded to four
                .pointer(numbers(rows, 1))
                .pointer(numbers(rows, 1))
                .pointer(numbers(1, model.hiddenSize()))
                .pointer(numbers(rows, model.qkvRows()))
                .pointer(numbers(rows, model.attentionSize()))
                .pointer(numbers(rows, 2L * model.intermediateSize()))
                .pointer(numbers(threads, kernels.scores(shape)))
                .memory();
    }

    private MemorySegment numbers(long rows, long columns) {
        return LargePages.allocate(rows * columns * Float.BYTES, arena);
    }
}
