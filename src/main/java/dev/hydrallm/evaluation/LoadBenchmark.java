package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.Engine;
import dev.hydrallm.model.LoadOptions;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.IntConsumer;

/** Loading a pack, against a plain parallel read of the same file; in turns, from a disk and from the page cache. */
public final class LoadBenchmark {
    /** Whether the kernel still holds the file. */
    public enum Cache {
        WARM,
        COLD
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
     * @param freeMemory what each pass begins with: the plain read, whose pages the page cache takes, like all others
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
        // A file in the page cache, matrices in int8, which are as large or larger, and some to spare.
        long most = Math.max(bytes, weights);
        freeMemory.prepare(2 * most + most / 4);
        long begin = System.nanoTime();
        work.run();
        return (System.nanoTime() - begin) / 1e9;
    }
}
