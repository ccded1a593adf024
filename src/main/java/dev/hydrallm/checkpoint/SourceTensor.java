package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import java.util.List;

/** A tensor of a checkpoint, read row by row as single-precision numbers. */
interface SourceTensor {
    String name();

    /** The type whose numbers the weights are. */
    DType dtype();

    /** One axis for a vector, two for a matrix (rows, columns). */
    List<Long> shape();

    /** A vector as a matrix of one column; reads it. */
    default SourceTensor asColumn() {
        float[] values = new float[Math.toIntExact(shape().getFirst())];
        readRow(0, values);
        return new Column(name(), dtype(), values);
    }

    /** A vector whose numbers are its rows. */
    record Column(String name, DType dtype, float[] values) implements SourceTensor {
        @Override
        public List<Long> shape() {
            return List.of((long) values.length, 1L);
        }

        @Override
        public void readRow(long row, float[] target) {
            target[0] = values[Math.toIntExact(row)];
        }
    }

    /**
     * Reads a row of a matrix, or a vector as its only row.
     *
     * @throws ModelFormatException when the elements are no floating-point numbers that a weight can be, or not finite
     */
    void readRow(long row, float[] target);

    /** Refuses weights that are infinite or not a number. */
    static void requireFinite(String name, long row, float[] weights) {
        for (float weight : weights) {
            if (!Float.isFinite(weight)) {
                throw new ModelFormatException("tensor " + name + ": a weight of row " + row + " is " + weight);
            }
        }
    }
}
