package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.RowShape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A row shape as the kernels take it.
 *
 * @param depths distance of each row to the first, (rows) int32
 * @param paths each row's ancestors by depth, itself last, (rows, rows) int32; NULL for a run
 */
record RowMap(MemorySegment depths, MemorySegment paths, Arena arena) implements AutoCloseable {
    @SuppressWarnings("MustBeClosedChecker") // closed with the map
    static RowMap of(RowShape shape) {
        Arena arena = Arena.ofConfined();
        int rows = shape.count();
        MemorySegment depths = arena.allocate(ValueLayout.JAVA_INT, rows);
        for (int row = 0; row < rows; row++) {
            depths.setAtIndex(ValueLayout.JAVA_INT, row, shape.depth(row));
        }
        if (shape instanceof RowShape.Run) {
            return new RowMap(depths, MemorySegment.NULL, arena);
        }
        MemorySegment paths = arena.allocate(ValueLayout.JAVA_INT, (long) rows * rows);
        for (int row = 0; row < rows; row++) {
            for (int other = 0; other <= row; other++) {
                if (shape.sees(row, other)) {
                    paths.setAtIndex(ValueLayout.JAVA_INT, (long) row * rows + shape.depth(other), other);
                }
            }
        }
        return new RowMap(depths, paths, arena);
    }

    @Override
    public void close() {
        arena.close();
    }
}
