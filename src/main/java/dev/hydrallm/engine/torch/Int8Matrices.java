package dev.hydrallm.engine.torch;

import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * A model's matrices as int8 rows, whatever the format they are stored in. Those stored so are views of the mapped file; others
 * are converted on all processors, blocks of rows side by side, and a few matrices ahead of the one that is asked for, in load
 * order. So who takes them finds the next one ready after packing the last, and no more than those few are held twice.
 *
 * <p>Made, used and closed on one thread.
 */
final class Int8Matrices implements AutoCloseable {
    /** Matrices that are converted ahead. */
    private static final int AHEAD = 2;

    /** Weights of a block of rows: enough to be worth a thread, few enough that all threads share in a matrix. */
    private static final int BLOCK = 1 << 17;

    private final PackedModel model;
    private final Map<String, PackLayout.Matrix> matrices = new LinkedHashMap<>();
    private final Iterator<PackLayout.Matrix> next;
    private final Map<String, Conversion> begun = new HashMap<>();
    private final Set<String> taken = new HashSet<>();
    private final ExecutorService processors;

    /**
     * A matrix.
     *
     * @param codes (rows, columns), signed bytes
     * @param scales (rows), single precision
     * @param arena what holds both; empty for views of the file
     */
    record Int8Matrix(PackLayout.Matrix matrix, MemorySegment codes, MemorySegment scales, Optional<Arena> arena)
            implements AutoCloseable {
        /** Frees what was converted. */
        @Override
        public void close() {
            arena.ifPresent(Arena::close);
        }
    }

    private record Conversion(Int8Matrix result, CompletableFuture<Void> done) {}

    Int8Matrices(PackedModel model) {
        this.model = model;
        for (PackLayout.Part part : PackLayout.parts(model.architecture(), model.draft())) {
            if (part instanceof PackLayout.Matrix matrix) {
                matrices.put(matrix.name(), matrix);
            }
        }
        next = matrices.values().iterator();
        // Threads start with the first conversion: a pack of int8 has none.
        processors = Executors.newFixedThreadPool(
                Runtime.getRuntime().availableProcessors(),
                Thread.ofPlatform().name("hydra-int8-", 0).daemon().factory());
    }

    /**
     * A matrix by its name in {@link PackLayout}; the caller closes it.
     *
     * @throws ModelFormatException when a weight is infinite or not a number
     */
    Int8Matrix take(String name) {
        PackLayout.Matrix matrix = Objects.requireNonNull(matrices.get(name), name);
        if (format(matrix) instanceof WeightFormat.Int8) {
            return new Int8Matrix(
                    matrix,
                    model.tensor(name + ".weight").data(),
                    model.tensor(name + ".scale").data(),
                    Optional.empty());
        }
        Conversion early = begun.remove(name);
        Conversion conversion = early == null ? begin(matrix) : early;
        taken.add(name);
        beginNext();
        try {
            conversion.done.join();
            return conversion.result;
        } catch (CompletionException e) {
            conversion.result.close();
            throw e.getCause() instanceof IllegalArgumentException wrong
                    ? new ModelFormatException(
                            model.directory() + ": " + name + ": " + wrong.getMessage() + ": pack the model again", e)
                    : e;
        }
    }

    private void beginNext() {
        while (begun.size() < AHEAD && next.hasNext()) {
            PackLayout.Matrix matrix = next.next();
            if (!taken.contains(matrix.name()) && !(format(matrix) instanceof WeightFormat.Int8)) {
                begun.put(matrix.name(), begin(matrix));
            }
        }
    }

    private WeightFormat format(PackLayout.Matrix matrix) {
        return Objects.requireNonNull(model.manifest().quantization().get(matrix.group()));
    }

    @SuppressWarnings("MustBeClosedChecker") // who takes the matrix closes it
    private Conversion begin(PackLayout.Matrix matrix) {
        int rows = Math.toIntExact(matrix.rows());
        int columns = Math.toIntExact(matrix.columns());
        Int8Rows source = Int8Rows.of(model, matrix, format(matrix));
        Arena arena = Arena.ofShared();
        MemorySegment codes = arena.allocate(matrix.rows() * columns, Long.BYTES);
        MemorySegment scales = arena.allocate(matrix.rows() * Float.BYTES, Long.BYTES);
        int together = Math.max(1, BLOCK / columns);
        List<CompletableFuture<Void>> blocks = new ArrayList<>();
        for (int from = 0; from < rows; from += together) {
            int first = from;
            int end = Math.min(rows, from + together);
            blocks.add(
                    CompletableFuture.runAsync(() -> convert(source, first, end, columns, codes, scales), processors));
        }
        CompletableFuture<Void> all = CompletableFuture.allOf(blocks.toArray(CompletableFuture[]::new));
        return new Conversion(new Int8Matrix(matrix, codes, scales, Optional.of(arena)), all);
    }

    private static void convert(
            Int8Rows source, int from, int to, int columns, MemorySegment codes, MemorySegment scales) {
        byte[] row = new byte[columns];
        for (int r = from; r < to; r++) {
            scales.setAtIndex(ValueLayout.JAVA_FLOAT, r, source.read(r, row));
            MemorySegment.copy(row, 0, codes, ValueLayout.JAVA_BYTE, (long) r * columns, columns);
        }
    }

    /** Ends the conversions that nobody asked for. */
    @Override
    public void close() {
        processors.shutdownNow();
        processors.close();
        begun.values().forEach(conversion -> conversion.result.close());
    }
}
