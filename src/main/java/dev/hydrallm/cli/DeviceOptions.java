package dev.hydrallm.cli;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.EngineOptions.Precision;
import java.util.Locale;
import picocli.CommandLine.Option;

/** Where a model computes. */
final class DeviceOptions {
    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            converter = DeviceOptions.Converter.class,
            description =
                    "cpu, cuda or cuda:N, an NVIDIA GPU for libtorch's operators, or auto: the first GPU where libtorch can use"
                            + " one. Default: auto.")
    Device device = Device.AUTO;

    @Option(
            names = "--precision",
            paramLabel = "PRECISION",
            description = "half or single: what a GPU computes in where weights are not quantized. Default: half.")
    Precision precision = Precision.HALF;

    /** The same on this device. */
    EngineOptions applyTo(EngineOptions options) {
        return options.on(device).in(precision);
    }

    static final class Converter implements picocli.CommandLine.ITypeConverter<Device> {
        @Override
        public Device convert(String name) {
            try {
                return Device.named(name);
            } catch (IllegalArgumentException e) {
                throw new picocli.CommandLine.TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }

    /**
     * A precision by its name.
     *
     * @throws IllegalArgumentException when there is none
     */
    static Precision precision(String name) {
        return switch (name.strip().toLowerCase(Locale.ROOT)) {
            case "half" -> Precision.HALF;
            case "single" -> Precision.SINGLE;
            default -> throw new IllegalArgumentException("precision " + name + " is not half or single");
        };
    }
}
