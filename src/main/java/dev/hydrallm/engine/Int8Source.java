package dev.hydrallm.engine;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorMemory;
import dev.hydrallm.model.WeightFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** A model's matrices as int8 rows, whatever the format they are stored in. Thread-safe. */
public final class Int8Source implements AutoCloseable {
    private final PackedModel model;
    private final TensorMemory scratch = new TensorMemory();
    private final Map<String, PackLayout.Matrix> matrices = new HashMap<>();

    /**
     * A matrix.
     *
     * @param codes (rows, columns), signed bytes
     * @param scales (rows), single precision
     * @param end gives back the memory of both, if it is not the model's own
     */
    public record Int8Matrix(PackLayout.Matrix matrix, MemorySegment codes, MemorySegment scales, Runnable end)
            implements AutoCloseable {
        /** Ends the use of what was converted. */
        @Override
        public void close() {
            end.run();
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
     * A matrix's rows until they are packed, as soon as they are read; the caller closes them, and may {@link #release} what they
     * were made of.
     *
     * @throws ModelFormatException when the model is damaged, or a weight infinite or not a number
     */
    public Int8Matrix rows(PackLayout.Matrix matrix) {
        if (isStoredSo(matrix)) {
            return storedRows(matrix);
        }
        TensorMemory.Lease room = scratch.lease(bytes(matrix));
        return converted(matrix, room.bytes(), () -> scratch.giveBack(room));
    }

    /** Whether it is stored as rows of 4-bit codes. */
    public boolean isStoredInFourBits(PackLayout.Matrix matrix) {
        return switch (format(matrix)) {
            case WeightFormat.Int4 _, WeightFormat.Nf4 _ -> true;
            case WeightFormat.Floats _, WeightFormat.Int8 _ -> false;
        };
    }

    /**
     * What a matrix's 4-bit codes stand for, for who can expand them faster; {@link #rows} defines what becomes of them.
     *
     * @param memory for what is not used as it is stored
     * @throws ModelFormatException when the model is damaged
     */
    public FourBitGroups fourBitGroups(PackLayout.Matrix matrix, SegmentAllocator memory) {
        return FourBitGroups.of(model, matrix, format(matrix), memory);
    }

    /** The names of the tensors that are stored beside a matrix's weights. */
    public List<String> besideWeights(PackLayout.Matrix matrix) {
        return stored(matrix).stream()
                .map(PackLayout.Stored::name)
                .filter(name -> !name.equals(weights(matrix)))
                .toList();
    }

    /** What is thrown for a matrix with a weight that is no finite number. */
    public ModelFormatException refused(PackLayout.Matrix matrix, float weight) {
        return refused(matrix, new IllegalArgumentException("a weight is " + weight));
    }

    private ModelFormatException refused(PackLayout.Matrix matrix, IllegalArgumentException e) {
        return new ModelFormatException(
                model.directory() + ": " + matrix.name() + ": " + e.getMessage() + ": pack the model again", e);
    }

    /**
     * A matrix's rows for as long as the model is used; what they were made of is released, if it is not the rows themselves.
     *
     * @throws ModelFormatException as {@link #rows}
     */
    @SuppressWarnings("MustBeClosedChecker") // who takes the matrix closes it
    public Int8Matrix lastingRows(PackLayout.Matrix matrix) {
        if (isStoredSo(matrix)) {
            return storedRows(matrix);
        }
        Arena arena = Arena.ofShared();
        Int8Matrix rows = converted(matrix, arena.allocate(bytes(matrix), Long.BYTES), arena::close);
        release(matrix);
        return rows;
    }

    private WeightFormat format(PackLayout.Matrix matrix) {
        return Objects.requireNonNull(model.manifest().quantization().get(matrix.group()));
    }

    /** The type that a matrix' weights are stored in. */
    public DType storedType(PackLayout.Matrix matrix) {
        return stored(matrix).stream()
                .filter(tensor -> tensor.name().equals(weights(matrix)))
                .findFirst()
                .orElseThrow()
                .dtype();
    }

    private List<PackLayout.Stored> stored(PackLayout.Matrix matrix) {
        return PackLayout.stored(matrix, model.manifest().quantization());
    }

    private static String weights(PackLayout.Matrix matrix) {
        return matrix.name() + ".weight";
    }

    /** Whether its weights are numbers rather than codes. */
    public boolean isStoredAsNumbers(PackLayout.Matrix matrix) {
        return format(matrix) instanceof WeightFormat.Floats;
    }

    /** Whether it is stored as int8 rows. */
    public boolean isStoredSo(PackLayout.Matrix matrix) {
        return format(matrix) instanceof WeightFormat.Int8;
    }

    private Int8Matrix storedRows(PackLayout.Matrix matrix) {
        return new Int8Matrix(
                matrix,
                model.tensor(weights(matrix)).data(),
                FiniteNumbers.of(model, matrix.name() + ".scale"),
                () -> {});
    }

    /** Bytes of a matrix's codes and of the scales behind them. */
    private static long bytes(PackLayout.Matrix matrix) {
        return scalesAt(matrix) + matrix.rows() * Float.BYTES;
    }

    private static long scalesAt(PackLayout.Matrix matrix) {
        return Math.ceilDiv(matrix.rows() * matrix.columns(), Long.BYTES) * Long.BYTES;
    }

    private Int8Matrix converted(PackLayout.Matrix matrix, MemorySegment room, Runnable end) {
        Int8Matrix rows = new Int8Matrix(
                matrix,
                room.asSlice(0, matrix.rows() * matrix.columns()),
                room.asSlice(scalesAt(matrix), matrix.rows() * Float.BYTES),
                end);
        try {
            convert(converter(matrix), rows);
            return rows;
        } catch (IllegalArgumentException e) {
            rows.close();
            throw refused(matrix, e);
        } catch (RuntimeException e) {
            rows.close();
            throw e;
        }
    }

    private Int8Rows converter(PackLayout.Matrix matrix) {
        return switch (format(matrix)) {
            case WeightFormat.Floats floats -> Int8Rows.of(model, matrix, floats);
            case WeightFormat.Int4 _, WeightFormat.Nf4 _ ->
                FourBitRows.of(model, matrix, format(matrix)).int8();
            case WeightFormat.Int8 _ -> throw new IllegalArgumentException(matrix.name() + " has int8 rows already");
        };
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
        stored(matrix).forEach(tensor -> model.release(tensor.name()));
    }

    /** Frees the memory of all {@link #rows}. */
    @Override
    public void close() {
        scratch.close();
    }
}
