package dev.hydrallm.engine.torch;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import java.util.Optional;

/** The GPU of tests with the tag {@code gpu}, which are skipped by name where there is none. */
public final class Gpu {
    private Gpu() {}

    /** Options on the first GPU, or a skipped test. */
    public static EngineOptions options(EngineOptions options) {
        Optional<String> obstacle = TorchNatives.gpuObstacle();
        assumeTrue(obstacle.isEmpty(), () -> obstacle.orElseThrow());
        return options.on(Device.Cuda.FIRST);
    }

    /** Bytes of its memory that nobody has taken; what libtorch keeps for later counts as taken. */
    public static long freeBytes() {
        return Cuda.load().memory().free();
    }

    /** Takes so much of its memory that this is left; closing gives it back. */
    public static AutoCloseable takeAllBut(long bytes) {
        Cuda cuda = Cuda.load();
        long taken = cuda.allocate(cuda.memory().free() - bytes);
        return () -> cuda.free(taken);
    }
}
