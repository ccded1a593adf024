package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.FourBitGroups;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorSink;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Packs a matrix of 4-bit codes from parts that come in any order, from several threads. A row's scale depends on all of it: one of
 * which not all came waits aside.
 */
final class FourBitSink implements TensorSink, AutoCloseable {
    private static final int FIELDS = 7;

    private final Kernels kernels;
    private final PackLayout.Matrix matrix;
    private final Function<SegmentAllocator, FourBitGroups> groups;
    private final MemorySegment tiles;
    private final MemorySegment scales;
    private final long rowBytes;

    /** Of the structure. */
    private final Arena arena = Arena.ofShared();

    private @Nullable MemorySegment structure;

    /** By their numbers. */
    private final Map<Long, UnfinishedRow> unfinished = new HashMap<>();

    /** A row's codes, and how many of their bytes are not there. */
    private static final class UnfinishedRow {
        private final MemorySegment codes;
        private long missing;

        UnfinishedRow(long bytes) {
            codes = Arena.ofAuto().allocate(bytes);
            missing = bytes;
        }
    }

    /**
     * A sink for a matrix.
     *
     * @param groups asked once, by whom the first part comes from; may wait for what stands before the codes
     * @param scales filled with the rows' own; one is infinite or NaN if a weight of its row is
     */
    FourBitSink(
            Kernels kernels,
            PackLayout.Matrix matrix,
            Function<SegmentAllocator, FourBitGroups> groups,
            MemorySegment tiles,
            MemorySegment scales) {
        this.kernels = kernels;
        this.matrix = matrix;
        this.groups = groups;
        this.tiles = tiles;
        this.scales = scales;
        rowBytes = matrix.columns() / 2;
    }

    @Override
    public void write(long offset, MemorySegment bytes) {
        long first = Math.ceilDiv(offset, rowBytes);
        long head = Math.min(first * rowBytes - offset, bytes.byteSize());
        long rows = (bytes.byteSize() - head) / rowBytes;
        long tail = head + rows * rowBytes;
        put(offset, bytes.asSlice(0, head));
        pack(first, bytes.asSlice(head, rows * rowBytes));
        put(offset + tail, bytes.asSlice(tail));
    }

    /** A part of one row. */
    private void put(long offset, MemorySegment part) {
        if (part.byteSize() > 0) {
            long row = offset / rowBytes;
            joined(row, offset % rowBytes, part).ifPresent(codes -> pack(row, codes));
        }
    }

    /** The row, when this is the last part of it. */
    private synchronized Optional<MemorySegment> joined(long number, long at, MemorySegment part) {
        UnfinishedRow row = unfinished.computeIfAbsent(number, _ -> new UnfinishedRow(rowBytes));
        MemorySegment.copy(part, 0, row.codes, at, part.byteSize());
        row.missing -= part.byteSize();
        if (row.missing > 0) {
            return Optional.empty();
        }
        unfinished.remove(number);
        return Optional.of(row.codes);
    }

    /** Whole rows. */
    private void pack(long first, MemorySegment codes) {
        if (codes.byteSize() > 0) {
            kernels.packFourBits(structure(), codes, first, codes.byteSize() / rowBytes, tiles, scales);
        }
    }

    private synchronized MemorySegment structure() {
        if (structure == null) {
            FourBitGroups found = groups.apply(arena);
            structure = Struct.of(FIELDS, arena)
                    .pointer(arena.allocateFrom(ValueLayout.JAVA_FLOAT, found.pattern()))
                    .pointer(found.factors())
                    .pointer(found.offsets().orElse(MemorySegment.NULL))
                    .number(found.type().bytes())
                    .number(matrix.rows())
                    .number(matrix.columns())
                    .number(found.size())
                    .memory();
        }
        return structure;
    }

    /** Frees what expands the codes; nobody may write any more. Idempotent. */
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
