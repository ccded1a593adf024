package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import dev.hydrallm.engine.RowShape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A row shape as the program takes it.
 *
 * @param mask 0 where a row sees a row, negative infinity elsewhere, (rows, rows) float64
 * @param depths distance to the first row, (rows) int64
 */
record RowTensors(PtNDArray mask, PtNDArray depths) implements AutoCloseable {
    static RowTensors of(RowShape shape, PtNDManager manager) {
        int rows = shape.count();
        ByteBuffer mask = ByteBuffer.allocateDirect(rows * rows * Double.BYTES).order(ByteOrder.nativeOrder());
        ByteBuffer depths = ByteBuffer.allocateDirect(rows * Long.BYTES).order(ByteOrder.nativeOrder());
        for (int row = 0; row < rows; row++) {
            depths.putLong(row * Long.BYTES, shape.depth(row));
            for (int other = 0; other < rows; other++) {
                double hidden = shape.sees(row, other) ? 0 : Double.NEGATIVE_INFINITY;
                mask.putDouble((row * rows + other) * Double.BYTES, hidden);
            }
        }
        return new RowTensors(
                manager.create(mask, new Shape(rows, rows), DataType.FLOAT64),
                manager.create(depths, new Shape(rows), DataType.INT64));
    }

    @Override
    public void close() {
        mask.close();
        depths.close();
    }
}
