package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.DecoderProgram.Rows;
import dev.hydrallm.engine.RowShapeCache;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.natives.LargePages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** What a step's passes over base and draft layers compute with and leave behind; lives as long as the arena. */
final class StepMemory implements AutoCloseable {
    static final long FLOAT = Float.BYTES;

    final Kernels kernels;
    final Arena arena;
    /** {@code hydra_shape} and {@code hydra_workspace}. */
    final MemorySegment shape;

    final MemorySegment workspace;
    /** Rows of the residual stream, (rows, hidden); of no use between two passes. */
    final MemorySegment x;
    /** What the draft layers read of the last forward's rows, (rows, hidden). */
    final MemorySegment tap;
    /** Normed rows, (rows, hidden). */
    final MemorySegment normed;
    /** (rows or heads times slots, vocabulary). */
    final MemorySegment logits;

    private final int hidden;
    private final int vocabulary;
    private final RowShapeCache<RowMap> shapes;
    private final Struct sequences;

    /** Makes it, and starts the threads that calls run on. */
    StepMemory(Kernels kernels, Architecture model, StepRoom room, int threads, Arena arena) {
        this.kernels = kernels;
        this.arena = arena;
        Workspace told = new Workspace(kernels, model, arena);
        shape = told.shape(room.context(), room.cacheRows());
        workspace = told.of(room.callRows(), threads, shape);
        hidden = model.hiddenSize();
        vocabulary = model.vocabSize();
        shapes = new RowShapeCache<>(RowMap::of, room.slots());
        sequences = Struct.of(KvCaches.SEQUENCE_FIELDS * room.slots(), arena);
        x = states(room.rows());
        tap = states(room.rows());
        normed = states(room.rows());
        logits = LargePages.allocate((long) Math.max(room.rows(), room.headRows()) * vocabulary * FLOAT, arena);
    }

    /** New memory for (rows, hidden). */
    MemorySegment states(long rows) {
        return LargePages.allocate(rows * hidden * FLOAT, arena);
    }

    /** Some rows of (rows, hidden). */
    MemorySegment rows(MemorySegment of, long from, long count) {
        return of.asSlice(from * hidden * FLOAT, count * hidden * FLOAT);
    }

    void copyRows(MemorySegment from, long row, MemorySegment to, long place, long count) {
        MemorySegment.copy(from, row * hidden * FLOAT, to, place * hidden * FLOAT, count * hidden * FLOAT);
    }

    /** A row of logits. */
    MemorySegment logits(long row) {
        return logits.asSlice(row * vocabulary * FLOAT, vocabulary * FLOAT);
    }

    /** Logits from a row on. */
    MemorySegment logitsFrom(long row) {
        return logits.asSlice(row * vocabulary * FLOAT);
    }

    /** A batch as layers of these caches take it, until another is described. */
    Batch batch(KvCaches caches, List<Rows> rows) {
        return new Batch(caches.sequences(sequences, rows, shapes), rows.size());
    }

    /** {@code hydra_sequence} structures. */
    record Batch(MemorySegment sequences, int count) {}

    /** Runs decoder layers, {@code from} to {@code to} of these structures, over rows of a batch in place. */
    void decode(MemorySegment layers, int from, int to, Batch batch, MemorySegment rows) {
        kernels.decode(shape, layers, from, to, workspace, batch.sequences(), batch.count(), rows);
    }

    @Override
    public void close() {
        shapes.close();
    }
}
