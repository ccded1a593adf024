package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.Engine;
import dev.hydrallm.model.LoadOptions;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.IntConsumer;

/** Loading a pack, against a plain parallel read of the same file; in turns, from a disk and from the page cache. */
public final class LoadBenchmark {
    private static final long PAGE = 4 << 10;

    /** What is touched, in sizes of the file or of its matrices in int8: the page cache, the engine, and as much to spare. */
    private static final long TOUCHED_PARTS = 3;

    /** Whether the kernel still holds the file. */
    public enum Cache {
        WARM,
        COLD
    }

    /** The memory that the kernel has to give. */
    public enum FreeMemory {
        /** As it happens to be. */
        AS_IS,
        /**
         * In use a moment before: the host of a virtual machine takes unused pages back, and giving one again takes it longer than
         * all that a load does with it.
         */
        TOUCHED
    }

    /**
     * What one state of the page cache gives.
     *
     * @param plain GB/s of reading the file with as many threads and doing nothing with it
     * @param verified GB/s of reading it, verifying it and handing out every tensor
     * @param ofPlain verified ÷ plain, turn by turn
     * @param loaded seconds until an engine is ready, reading and verifying included
     * @param peakMebibytes the most memory of the process while the engine was loaded
     */
    public record Line(
            Cache cache, Summary plain, Summary verified, Summary ofPlain, Summary loaded, double peakMebibytes) {}

    private final Path directory;
    private final LoadOptions options;
    private final FreeMemory freeMemory;
    private final Function<PackedModel, Engine> loader;
    private final Path file;
    private final long bytes;

    /**
     * A benchmark of a pack.
     *
     * @param loader makes an engine of it; natives should be loaded already
     */
    public LoadBenchmark(
            Path directory, LoadOptions options, FreeMemory freeMemory, Function<PackedModel, Engine> loader)
            throws IOException {
        this.directory = directory;
        this.options = options;
        this.freeMemory = freeMemory;
        this.loader = loader;
        this.file = directory.resolve(Manifest.WEIGHTS_FILE);
        this.bytes = Files.size(file);
    }

    /** Bytes of the file that is read. */
    public long bytes() {
        return bytes;
    }

    /** Loads so many times after a first time that does not count, and tells {@code done} after each. */
    public Line run(Cache cache, int repeats, IntConsumer done) throws IOException {
        double[] plain = new double[repeats];
        double[] verified = new double[repeats];
        double[] ratios = new double[repeats];
        double[] loaded = new double[repeats];
        List<Double> peaks = new ArrayList<>();
        long weights = weights();
        for (int turn = -1; turn < repeats; turn++) {
            double plainSeconds = seconds(cache, weights, () -> PlainRead.read(file, options));
            double verifiedSeconds = seconds(cache, weights, () -> {
                try (PackedModel model = PackedModel.openAhead(directory, options)) {
                    for (PackLayout.Stored stored : model.manifest().tensors()) {
                        model.tensor(stored.name());
                        model.release(stored.name());
                    }
                    model.awaitVerified();
                }
            });
            double loadedSeconds = seconds(cache, weights, () -> {
                ProcessMemory.forgetPeak();
                try (PackedModel model = PackedModel.openAhead(directory, options);
                        Engine engine = loader.apply(model)) {
                    peaks.add(ProcessMemory.peak());
                    if (engine.limits().slots() < 1) {
                        throw new IllegalStateException("an engine without slots");
                    }
                }
            });
            if (turn >= 0) {
                plain[turn] = bytes / plainSeconds / 1e9;
                verified[turn] = bytes / verifiedSeconds / 1e9;
                ratios[turn] = plainSeconds / verifiedSeconds;
                loaded[turn] = loadedSeconds;
                done.accept(turn + 1);
            }
        }
        return new Line(
                cache,
                Summary.of(plain),
                Summary.of(verified),
                Summary.of(ratios),
                Summary.of(loaded),
                peaks.stream().mapToDouble(Double::doubleValue).max().orElseThrow());
    }

    private long weights() {
        try (PackedModel model = PackedModel.openAhead(directory, options)) {
            return model.weights();
        }
    }

    /** Something that reads files. */
    @FunctionalInterface
    private interface Work {
        void run() throws IOException;
    }

    private double seconds(Cache cache, long weights, Work work) throws IOException {
        if (cache == Cache.COLD) {
            PageCache.forget(List.of(file));
        }
        if (freeMemory == FreeMemory.TOUCHED) {
            touch(TOUCHED_PARTS * Math.max(bytes, weights));
        }
        long begin = System.nanoTime();
        work.run();
        return (System.nanoTime() - begin) / 1e9;
    }

    private static void touch(long bytes) {
        try (TensorMemory memory = new TensorMemory()) {
            MemorySegment touched = memory.lease(bytes).bytes();
            for (long page = 0; page < bytes; page += PAGE) {
                touched.set(ValueLayout.JAVA_BYTE, page, (byte) 1);
            }
        }
    }
}
