package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import dev.hydrallm.engine.Int8Source;
import dev.hydrallm.engine.Int8Source.Int8Matrix;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;

/** A matrix of a pack as numbers: those that are stored, or what the int8 codes stand for that the engine computes with. */
final class MatrixAsNumbers {
    private MatrixAsNumbers() {}

    /**
     * Loads it.
     *
     * @param scope owns it
     * @return (rows, columns), single precision
     */
    static PtNDArray load(PackedModel model, String name, PtNDManager manager, Script script, Values scope) {
        try (Int8Source source = new Int8Source(model)) {
            PackLayout.Matrix matrix = source.matrix(name);
            Shape size = new Shape(matrix.rows(), matrix.columns());
            PtNDArray numbers = scope.keep(manager.create(size, DataType.FLOAT32));
            if (source.isStoredAsNumbers(matrix)) {
                try (Values parts = new Values()) {
                    PtNDArray stored = parts.keep(Matrices.tensor(manager, model.tensor(matrix.name() + ".weight")));
                    parts.keep(script.call("put", parts.of(numbers), parts.of(0), parts.of(stored)));
                }
                return numbers;
            }
            try (Int8Matrix coded = source.rows(matrix);
                    Values parts = new Values()) {
                PtNDArray codes = parts.keep(Matrices.tensor(manager, coded.codes(), size, DataType.INT8));
                PtNDArray scales = parts.keep(
                        Matrices.tensor(manager, coded.scales(), new Shape(matrix.rows()), DataType.FLOAT32));
                parts.keep(script.call("expand", parts.of(codes), parts.of(scales), parts.of(numbers)));
            }
            return numbers;
        }
    }
}
