package dev.hydrallm.engine.torch;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * How a row of activations, divided by its largest magnitude, becomes unsigned 8-bit codes for fbgemm.
 *
 * <p>Without VNNI fbgemm adds two products in 16 bits, which full-range codes can saturate; 7 bits cannot.
 */
enum ActivationRange {
    FULL(127),
    SEVEN_BIT(63);

    private final int largest;

    ActivationRange(int largest) {
        this.largest = largest;
    }

    double scale() {
        return 1.0 / largest;
    }

    int zeroPoint() {
        return largest + 1;
    }

    /** The widest range that this processor adds up exactly. */
    static ActivationRange ofProcessor() {
        try {
            return Files.readString(Path.of("/proc/cpuinfo")).contains("avx512_vnni") ? FULL : SEVEN_BIT;
        } catch (IOException e) {
            return SEVEN_BIT;
        }
    }
}
