package dev.hydrallm.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** The models, golden outputs and benchmarks that lie beside the project; a test that needs them is skipped without. */
public final class Shared {
    private static final Path ROOT = Path.of(System.getProperty("shared.dir", "../shared"));

    private Shared() {}

    /** The raw models. */
    public static Path models() {
        return directory("models");
    }

    /** What the original program produced with them. */
    public static Path golden() {
        return directory("golden");
    }

    /** Prompts and trees. */
    public static Path benchmark() {
        return directory("benchmark");
    }

    private static Path directory(String name) {
        Path directory = ROOT.resolve(name).toAbsolutePath().normalize();
        assumeTrue(Files.isDirectory(directory), () -> directory + " is absent (set -Dshared.dir=DIR)");
        return directory;
    }
}
