package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import dev.hydrallm.decoding.DraftTree;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/** The masks and depths of trees and of plain runs of tokens as tensors, kept because the same few come every step. */
final class RowShapes implements AutoCloseable {
    private static final int KEPT = 64;

    private final PtNDManager manager;
    private final LinkedHashMap<Object, RowShape> cache = new LinkedHashMap<>(16, 0.75f, true);

    /**
     * How fresh rows see each other and where they stand.
     *
     * @param mask 0 where a row sees a row, negative infinity elsewhere, (rows, rows) float64
     * @param depths distance to the first row, (rows) int64
     */
    record RowShape(PtNDArray mask, PtNDArray depths) implements AutoCloseable {
        int count() {
            return Math.toIntExact(mask.getShape().get(0));
        }

        @Override
        public void close() {
            mask.close();
            depths.close();
        }
    }

    @FunctionalInterface
    private interface Sight {
        boolean sees(int row, int other);
    }

    RowShapes(PtNDManager manager) {
        this.manager = manager;
    }

    /** Rows that are a tree's nodes: each sees its ancestors and itself. */
    RowShape of(DraftTree tree) {
        return cached(tree, () -> shape(tree.nodes(), tree::sees, tree::depth));
    }

    /** Rows that follow each other: each sees those before it and itself. */
    RowShape run(int rows) {
        return cached(rows, () -> shape(rows, (row, other) -> other <= row, row -> row));
    }

    private RowShape cached(Object key, Supplier<RowShape> maker) {
        RowShape known = cache.get(key);
        if (known != null) {
            return known;
        }
        if (cache.size() >= KEPT) {
            Map.Entry<Object, RowShape> oldest = cache.firstEntry();
            cache.remove(oldest.getKey());
            oldest.getValue().close();
        }
        RowShape made = maker.get();
        cache.put(key, made);
        return made;
    }

    private RowShape shape(int rows, Sight sight, java.util.function.IntUnaryOperator depthOf) {
        ByteBuffer mask = ByteBuffer.allocateDirect(rows * rows * Double.BYTES).order(ByteOrder.nativeOrder());
        ByteBuffer depths = ByteBuffer.allocateDirect(rows * Long.BYTES).order(ByteOrder.nativeOrder());
        for (int row = 0; row < rows; row++) {
            depths.putLong(row * Long.BYTES, depthOf.applyAsInt(row));
            for (int other = 0; other < rows; other++) {
                double hidden = other <= row && sight.sees(row, other) ? 0 : Double.NEGATIVE_INFINITY;
                mask.putDouble((row * rows + other) * Double.BYTES, hidden);
            }
        }
        return new RowShape(
                manager.create(mask, new Shape(rows, rows), ai.djl.ndarray.types.DataType.FLOAT64),
                manager.create(depths, new Shape(rows), ai.djl.ndarray.types.DataType.INT64));
    }

    @Override
    public void close() {
        cache.values().forEach(RowShape::close);
        cache.clear();
    }
}
