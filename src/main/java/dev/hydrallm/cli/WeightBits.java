package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Quantization;
import picocli.CommandLine.Option;

/** How many bits a checkpoint's weights take where a command packs it. */
final class WeightBits {
    @Option(names = "--load-in-8bit", description = "Pack a checkpoint's weights as int8.")
    boolean eight;

    @Option(names = "--load-in-4bit", description = "Pack a checkpoint's weights as int4.")
    boolean four;

    /**
     * How a checkpoint is packed.
     *
     * @throws IllegalArgumentException when 8 and 4 bits are asked for at once
     */
    Quantization quantization() {
        if (eight && four) {
            throw new IllegalArgumentException(
                    "--load-in-8bit and --load-in-4bit exclude each other: give one of them");
        }
        return eight ? Quantization.INT8 : four ? Quantization.INT4 : Quantization.NONE;
    }
}
