package dev.hydrallm.evaluation;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** This process's memory in MiB, as Linux counts it. */
final class ProcessMemory {
    private ProcessMemory() {}

    /** What is held now. */
    static double resident() {
        return status("VmRSS:");
    }

    /** The most that was held at once since {@link #forgetPeak}. */
    static double peak() {
        return status("VmHWM:");
    }

    /** Counts the peak from now on. */
    static void forgetPeak() throws IOException {
        Files.writeString(Path.of("/proc/self/clear_refs"), "5");
    }

    private static double status(String name) {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream()
                    .filter(line -> line.startsWith(name))
                    .mapToDouble(line -> Double.parseDouble(line.replaceAll("\\D", "")) / 1024)
                    .findFirst()
                    .orElseThrow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
