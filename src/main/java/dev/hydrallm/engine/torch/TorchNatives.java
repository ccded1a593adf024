package dev.hydrallm.engine.torch;

import ai.djl.engine.Engine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * libtorch and DJL's library for it. They come in jars and are unpacked into the user's cache on first use, which takes
 * seconds and 448 MB; an image brings them unpacked and names their folder by {@code PYTORCH_LIBRARY_PATH}.
 */
public final class TorchNatives {
    private static final String VERSION = "2.7.1";
    private static final String CUDA_FLAVOR = "cu128";
    private static final String CUDA_LIBRARY = "libtorch_cuda.so";

    /** What the driver makes for the first GPU; under Windows' Linux for all. */
    private static final List<Path> GPUS = List.of(Path.of("/dev/nvidiactl"), Path.of("/dev/dxg"));

    private static final long UNPACKED_BYTES = 448_068_234;
    private static final ReentrantLock LOADING = new ReentrantLock();

    /** Told while the libraries are unpacked; never called when they are already there. */
    @FunctionalInterface
    public interface Progress {
        /** Bytes unpacked so far of all, into {@code folder}. */
        void unpacked(Path folder, long bytes, long total);
    }

    private TorchNatives() {}

    /** Loads the libraries, once; later calls return at once. */
    public static void load() {
        load((folder, bytes, total) -> {});
    }

    /**
     * Loads the libraries, once; later calls return at once.
     *
     * @throws ai.djl.engine.EngineException if they cannot be loaded on this machine
     */
    public static void load(Progress progress) {
        LOADING.lock();
        try {
            // DJL downloads what it does not find and reports its use unless told not to.
            setDefault("DJL_OFFLINE", "true");
            setDefault("OPT_OUT_TRACKING", "true");
            setDefault("ai.djl.pytorch.graph_optimizer", "false");
            OpenMp.waitAsleep();
            if (setting("PYTORCH_LIBRARY_PATH") == null) {
                setDefault("DJL_CACHE_DIR", cacheFolder().toString());
                unpackAndLoad(Path.of(Objects.requireNonNull(setting("DJL_CACHE_DIR")), "pytorch"), progress);
            } else {
                // DJL would look for a build that does not exist if these two were not given beside the path.
                setDefault("PYTORCH_VERSION", VERSION);
                setDefault("PYTORCH_FLAVOR", holdsCuda(folder()) ? CUDA_FLAVOR : "cpu");
                Engine.getEngine("PyTorch");
            }
        } finally {
            LOADING.unlock();
        }
    }

    private static void unpackAndLoad(Path folder, Progress progress) {
        if (unpacked(folder)) {
            Engine.getEngine("PyTorch");
            return;
        }
        Thread watcher = Thread.ofVirtual().start(() -> watch(folder, progress));
        try {
            Engine.getEngine("PyTorch");
        } finally {
            watcher.interrupt();
        }
        progress.unpacked(folder, UNPACKED_BYTES, UNPACKED_BYTES);
    }

    /** DJL unpacks into a temporary folder beside the final one, named after the version, and renames it. */
    private static boolean unpacked(Path folder) {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.anyMatch(entry -> entry.getFileName().toString().startsWith(VERSION));
        } catch (IOException e) {
            return false;
        }
    }

    private static void watch(Path folder, Progress progress) {
        try {
            while (true) {
                progress.unpacked(folder, Math.min(sizeOf(folder), UNPACKED_BYTES), UNPACKED_BYTES);
                Thread.sleep(200);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static long sizeOf(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.mapToLong(file -> file.toFile().length()).sum();
        } catch (IOException | java.io.UncheckedIOException e) {
            return 0; // files come and go while they are unpacked
        }
    }

    /** Why no model can run on a GPU here, as far as can be said before anything is loaded; empty if one may. */
    public static Optional<String> gpuObstacle() {
        return gpuObstacle(
                GPUS, Optional.ofNullable(setting("PYTORCH_LIBRARY_PATH")).map(Path::of));
    }

    static Optional<String> gpuObstacle(List<Path> gpus, Optional<Path> libraries) {
        if (gpus.stream().noneMatch(Files::exists)) {
            return Optional.of("this machine has no NVIDIA GPU (no " + gpus.getFirst()
                    + "): run in a container with --gpus all, or give --device cpu");
        }
        if (libraries.filter(TorchNatives::holdsCuda).isEmpty()) {
            return Optional.of(libraries
                            .map(folder -> folder + " holds a libtorch without CUDA")
                            .orElse("the libtorch that comes with the program is without CUDA")
                    + ": name the lib folder of libtorch " + VERSION + "+" + CUDA_FLAVOR
                    + " by PYTORCH_LIBRARY_PATH, or give --device cpu");
        }
        return Optional.empty();
    }

    private static boolean holdsCuda(Path folder) {
        return Files.exists(folder.resolve(CUDA_LIBRARY));
    }

    /** Where the libraries are, or will be unpacked to. */
    public static Path folder() {
        return Path.of(Objects.requireNonNullElseGet(
                setting("PYTORCH_LIBRARY_PATH"),
                () -> Objects.requireNonNullElse(
                        setting("DJL_CACHE_DIR"), cacheFolder().toString())));
    }

    private static Path cacheFolder() {
        String cache = System.getenv("XDG_CACHE_HOME");
        Path base =
                cache == null || cache.isEmpty() ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(cache);
        return base.resolve("hydra").resolve("natives");
    }

    /** DJL reads each of its settings from the environment, else from the system properties. */
    private static @Nullable String setting(String name) {
        String value = System.getenv(name);
        return value == null ? System.getProperty(name) : value;
    }

    private static void setDefault(String name, String value) {
        if (setting(name) == null) {
            System.setProperty(name, value);
        }
    }
}
