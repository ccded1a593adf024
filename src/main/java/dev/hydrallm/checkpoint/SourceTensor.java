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
