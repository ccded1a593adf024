package dev.hydrallm.evaluation;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** What was measured on. */
public record Machine(String processor, int processors, String system, String java) {

    /** This machine, as far as it says. */
    public static Machine here() {
        return new Machine(
                processorName(),
                Runtime.getRuntime().availableProcessors(),
                System.getProperty("os.name") + " " + System.getProperty("os.version"),
                Runtime.version().toString());
    }

    /** Bytes of memory that processes can still take, those that a cache of files holds included. */
    public static long availableMemory() {
        long granted = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class)
                .getTotalMemorySize(); // of the container, where there is one
        return said("/proc/meminfo", "MemAvailable")
                .map(kibibytes -> Math.min(granted, 1024 * Long.parseLong(kibibytes.replace(" kB", ""))))
                .orElse(granted);
    }

    /** Bytes of memory that nothing uses, no cache of files either; in a container those that it may still use. */
    static long freeMemory() {
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getFreeMemorySize();
    }

    private static String processorName() {
        return said("/proc/cpuinfo", "model name").orElse("unknown");
    }

    /** What stands behind the colon of a file's first line that begins so. */
    private static Optional<String> said(String file, String beginning) {
        try {
            return Files.readAllLines(Path.of(file)).stream()
                    .filter(line -> line.startsWith(beginning))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst();
        } catch (IOException e) {
            return Optional.empty();
        }
    }
}
