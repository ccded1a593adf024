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
 * @param mask 0 where a row sees a row, negative infinity elsewhere, (rows, rows)
 * @param depths distance to the first row, (rows) int64
 */
record RowTensors(PtNDArray mask, PtNDArray depths) implements AutoCloseable {
    /**
     * Brings a shape to the manager's device.
     *
     * @param maskType FLOAT64 or FLOAT16
     */
    static RowTensors of(RowShape shape, PtNDManager manager, DataType maskType) {
        int rows = shape.count();
        boolean half = maskType == DataType.FLOAT16;
        ByteBuffer mask = ByteBuffer.allocateDirect(rows * rows * maskType.getNumOfBytes())
                .order(ByteOrder.nativeOrder());
        ByteBuffer depths = ByteBuffer.allocateDirect(rows * Long.BYTES).order(ByteOrder.nativeOrder());
        for (int row = 0; row < rows; row++) {
            depths.putLong(row * Long.BYTES, shape.depth(row));
            for (int other = 0; other < rows; other++) {
                double hidden = shape.sees(row, other) ? 0 : Double.NEGATIVE_INFINITY;
                if (half) {
                    mask.putShort(Float.floatToFloat16((float) hidden));
                } else {
                    mask.putDouble(hidden);
                }
            }
        }
        return new RowTensors(
                manager.create(mask.flip(), new Shape(rows, rows), maskType),
                manager.create(depths, new Shape(rows), DataType.INT64));
    }

    @Override
    public void close() {
        mask.close();
        depths.close();
    }
}
