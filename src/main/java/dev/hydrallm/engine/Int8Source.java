package dev.hydrallm.engine;

import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** A model's matrices as int8 rows, whatever the format they are stored in. Thread-safe. */
public final class Int8Source {
    private final PackedModel model;
    private final Map<String, PackLayout.Matrix> matrices = new HashMap<>();

    /**
     * A matrix.
     *
     * @param codes (rows, columns), signed bytes
     * @param scales (rows), single precision
     * @param arena what holds both; empty for the model's own
     */
    public record Int8Matrix(PackLayout.Matrix matrix, MemorySegment codes, MemorySegment scales, Optional<Arena> arena)
            implements AutoCloseable {
        /** Frees what was converted. */
        @Override
        public void close() {
            arena.ifPresent(Arena::close);
        }
    }

    /** Reads from a model, which must stay open. */
    public Int8Source(PackedModel model) {
        this.model = model;
        for (PackLayout.Part part : PackLayout.parts(model.architecture(), model.draft())) {
            if (part instanceof PackLayout.Matrix matrix) {
                matrices.put(matrix.name(), matrix);
            }
        }
    }

    /** A matrix's shape, by its name in {@link PackLayout}. */
    public PackLayout.Matrix matrix(String name) {
        return Objects.requireNonNull(matrices.get(name), name);
    }

    /**
     * A matrix's rows, as soon as they are read; the caller closes them, and may {@link #release} what they were made of.
     *
     * @throws ModelFormatException when the model is damaged, or a weight infinite or not a number
     */
    @SuppressWarnings("MustBeClosedChecker") // who takes the matrix closes it
    public Int8Matrix rows(PackLayout.Matrix matrix) {
        WeightFormat format =
                Objects.requireNonNull(model.manifest().quantization().get(matrix.group()));
        if (format instanceof WeightFormat.Int8) {
            return new Int8Matrix(
                    matrix,
                    model.tensor(matrix.name() + ".weight").data(),
                    model.tensor(matrix.name() + ".scale").data(),
                    Optional.empty());
        }
        Int8Rows source = Int8Rows.of(model, matrix, format);
        Arena arena = Arena.ofShared();
        Int8Matrix rows = new Int8Matrix(
                matrix,
                arena.allocate(matrix.rows() * matrix.columns(), Long.BYTES),
                arena.allocate(matrix.rows() * Float.BYTES, Long.BYTES),
                Optional.of(arena));
        try {
            convert(source, rows);
            return rows;
        } catch (IllegalArgumentException e) {
            rows.close();
            throw new ModelFormatException(
                    model.directory() + ": " + matrix.name() + ": " + e.getMessage() + ": pack the model again", e);
        }
    }

    private static void convert(Int8Rows source, Int8Matrix target) {
        byte[] row = new byte[Math.toIntExact(target.matrix.columns())];
        for (int r = 0; r < target.matrix.rows(); r++) {
            target.scales.setAtIndex(ValueLayout.JAVA_FLOAT, r, source.read(r, row));
            MemorySegment.copy(row, 0, target.codes, ValueLayout.JAVA_BYTE, (long) r * row.length, row.length);
        }
    }

    /** Frees a matrix's memory in the model, which nobody may look at any more. */
    public void release(PackLayout.Matrix matrix) {
        PackLayout.stored(matrix, model.manifest().quantization()).forEach(stored -> model.release(stored.name()));
    }
}
