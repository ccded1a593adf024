package dev.hydrallm.engine.torch;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.GpuFigures;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;

/** Measures a GPU on which a model was loaded. */
public final class GpuMeasure {
    /** Far more than a cache holds. */
    private static final long COPIED = 1L << 30;

    private static final int REPEATS = 10;
    private static final Path DRIVER = Path.of("/proc/driver/nvidia/gpus");

    private GpuMeasure() {}

    /** Copies within its memory, and says what the model reads there. */
    public static GpuFigures of(PackedModel model, EngineOptions options, Device.Cuda gpu) {
        Arithmetic arithmetic = Arithmetic.ofGpu(model.manifest().quantization(), options.precision());
        long base = 0;
        long draft = 0;
        for (PackLayout.Part part : PackLayout.parts(model.architecture(), model.draft())) {
            if (part instanceof PackLayout.Matrix matrix) {
                long bytes = arithmetic.bytes(matrix);
                switch (matrix.group()) {
                    case LAYERS, LM_HEAD -> base += bytes;
                    case EMBEDDING -> base += model.architecture().tiedEmbeddings() ? bytes : 0;
                    case FORKED_LAYERS, HEADS -> draft += bytes;
                }
            }
        }
        if (model.draft().sharedLmHead()) {
            draft += model.draft().heads() * headBytes(model, arithmetic);
        }
        return new GpuFigures(name(gpu), copyRate(gpu), base, draft);
    }

    private static long headBytes(PackedModel model, Arithmetic arithmetic) {
        return arithmetic.bytes(new PackLayout.Matrix(
                "lm_head",
                TensorGroup.LM_HEAD,
                model.architecture().vocabSize(),
                model.architecture().hiddenSize()));
    }

    private static double copyRate(Device.Cuda gpu) {
        Cuda cuda = Cuda.load();
        cuda.use(gpu.index());
        long bytes = Math.min(COPIED, cuda.memory().free() / 4);
        long source = cuda.allocate(bytes);
        long target = cuda.allocate(bytes);
        double[] rates = new double[REPEATS];
        try (DeviceClock clock = new DeviceClock(cuda)) {
            for (int i = 0; i < REPEATS; i++) {
                long before = clock.nanos();
                clock.start();
                cuda.copy(target, source, bytes);
                clock.stop();
                clock.add();
                rates[i] = 2.0 * bytes / (clock.nanos() - before) * 1e9;
            }
        } finally {
            cuda.free(source);
            cuda.free(target);
        }
        Arrays.sort(rates);
        return rates[REPEATS / 2];
    }

    private static String name(Device.Cuda gpu) {
        try (Stream<Path> gpus = Files.list(DRIVER)) {
            Optional<Path> folder = gpus.sorted().skip(gpu.index()).findFirst();
            if (folder.isPresent()) {
                return Files.readAllLines(folder.get().resolve("information")).stream()
                        .filter(line -> line.startsWith("Model:"))
                        .findFirst()
                        .map(line ->
                                gpu + ", " + line.substring("Model:".length()).strip())
                        .orElse(gpu.toString());
            }
        } catch (IOException e) {
            // A container may hide the driver's files: the number is enough.
        }
        return gpu.toString();
    }
}
