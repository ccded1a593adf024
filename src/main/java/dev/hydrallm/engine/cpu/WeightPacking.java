package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.FiniteNumbers;
import dev.hydrallm.engine.Int8Source;
import dev.hydrallm.engine.Int8Source.Int8Matrix;
import dev.hydrallm.engine.Tasks;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.Sending;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Fills the places of a model's vectors and matrices, in the order in which they are begun and the file has them. Codes of 8 and 4
 * bits are packed by the threads that read them; every processor packs the next matrix of numbers as soon as it is read. What is
 * stored is released then.
 *
 * <p>Used and closed by one thread.
 */
final class WeightPacking implements AutoCloseable {
    private final PackedModel model;
    private final Int8Source source;
    private final Kernels kernels;
    private final ExecutorService processors;
    private final List<Future<?>> begun = new ArrayList<>();

    /** Matrices that are packed from the file, and what those of 4 bits are expanded by. */
    private final List<Sending> sending = new ArrayList<>();

    private final List<FourBitSink> sinks = new ArrayList<>();

    WeightPacking(PackedModel model, Int8Source source, Kernels kernels) {
        this.model = model;
        this.source = source;
        this.kernels = kernels;
        // Threads start with the first part; as daemons, for a pack that turns out damaged.
        processors = Executors.newFixedThreadPool(
                Runtime.getRuntime().availableProcessors(),
                Thread.ofPlatform().name("hydra-pack-", 0).daemon().factory());
    }

    /**
     * Begins a vector. It waits for its turn as matrices do: waiting here for one that stands far behind would have the file read
     * ahead of all that packs it.
     */
    void vector(String name, MemorySegment place) {
        begin(() -> place.copyFrom(FiniteNumbers.of(model, name)));
    }

    /** Begins a matrix, of whatever format, and releases what is stored of it. */
    void matrix(PackLayout.Matrix matrix, MemorySegment tiles, MemorySegment scales) {
        if (source.isStoredSo(matrix)) {
            eightBits(matrix, tiles, scales);
        } else if (source.isStoredInFourBits(matrix)) {
            fourBits(matrix, tiles, scales);
        } else {
            begin(() -> {
                numbers(matrix, tiles, scales);
                source.release(matrix);
            });
        }
    }

    /** Begins a matrix of numbers that are used as they are stored, too. */
    void keptNumbers(PackLayout.Matrix matrix, MemorySegment tiles, MemorySegment scales) {
        begin(() -> numbers(matrix, tiles, scales));
    }

    /** Begins a matrix whose rows are there. */
    void rows(Int8Matrix rows, MemorySegment tiles, MemorySegment scales) {
        begin(() -> pack(rows, tiles, scales));
    }

    private void eightBits(PackLayout.Matrix matrix, MemorySegment tiles, MemorySegment scales) {
        Sending codes = model.send(
                matrix.name() + ".weight",
                (offset, bytes) -> kernels.pack(bytes, offset, matrix.rows(), matrix.columns(), tiles));
        sending.add(codes);
        begin(() -> {
            codes.await();
            MemorySegment stored = FiniteNumbers.of(model, matrix.name() + ".scale");
            MemorySegment.copy(stored, 0, scales, 0, stored.byteSize());
            source.release(matrix);
        });
    }

    private void fourBits(PackLayout.Matrix matrix, MemorySegment tiles, MemorySegment scales) {
        FourBitSink sink =
                new FourBitSink(kernels, matrix, memory -> source.fourBitGroups(matrix, memory), tiles, scales);
        sinks.add(sink);
        Sending codes = model.send(matrix.name() + ".weight", source.besideWeights(matrix), sink);
        sending.add(codes);
        begin(() -> {
            codes.await();
            sink.close();
            requireFinite(matrix, scales);
            source.release(matrix);
        });
    }

    private void requireFinite(PackLayout.Matrix matrix, MemorySegment scales) {
        for (long row = 0; row < matrix.rows(); row++) {
            float scale = scales.getAtIndex(ValueLayout.JAVA_FLOAT, row);
            if (!Float.isFinite(scale)) {
                throw source.refused(matrix, scale);
            }
        }
    }

    private void numbers(PackLayout.Matrix matrix, MemorySegment tiles, MemorySegment scales) {
        try (Int8Matrix rows = source.rows(matrix)) {
            pack(rows, tiles, scales);
        }
    }

    private void pack(Int8Matrix rows, MemorySegment tiles, MemorySegment scales) {
        PackLayout.Matrix matrix = rows.matrix();
        kernels.pack(rows.codes(), 0, matrix.rows(), matrix.columns(), tiles);
        MemorySegment.copy(rows.scales(), 0, scales, 0, matrix.rows() * Float.BYTES);
    }

    private void begin(Runnable work) {
        begun.add(processors.submit(work));
    }

    /** Waits until all places are filled. */
    void await() {
        begun.forEach(Tasks::await);
    }

    /** Ends it, whole or not: no place is written to any more when this returns. */
    @Override
    public void close() {
        processors.shutdownNow();
        processors.close();
        sending.forEach(Sending::close);
        sinks.forEach(FourBitSink::close);
    }
}
