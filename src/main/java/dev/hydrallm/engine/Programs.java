package dev.hydrallm.engine;

import dev.hydrallm.engine.cpu.CpuProgram;
import dev.hydrallm.engine.torch.GpuMeasure;
import dev.hydrallm.engine.torch.TorchNatives;
import dev.hydrallm.engine.torch.TorchProgram;
import dev.hydrallm.model.PackedModel;
import java.util.Optional;

/** Which program runs a model: libtorch's operators on a GPU, on a processor the kernels where they can. */
public final class Programs {
    private Programs() {}

    /** What runs a model with these options: {@link EngineOptions.Kind#KERNELS} or {@link EngineOptions.Kind#TORCH}.
     *
     * @throws IllegalArgumentException when the kernels are asked for and cannot run it
     */
    public static EngineOptions.Kind kind(PackedModel model, EngineOptions options) {
        return switch (options.kind()) {
            case TORCH -> EngineOptions.Kind.TORCH;
            case KERNELS -> {
                CpuProgram.obstacle(model).ifPresent(why -> {
                    throw new IllegalArgumentException(
                            "the kernels cannot run " + model.manifest().name() + ": " + why);
                });
                yield EngineOptions.Kind.KERNELS;
            }
            case AUTO ->
                device(options) instanceof Device.Cuda
                                || CpuProgram.obstacle(model).isPresent()
                        ? EngineOptions.Kind.TORCH
                        : EngineOptions.Kind.KERNELS;
        };
    }

    /**
     * Where a model runs with these options: {@link Device.Cpu} or {@link Device.Cuda}. Loads nothing.
     *
     * @throws IllegalArgumentException when a GPU is asked for and there is none, or this libtorch has nothing for it
     */
    public static Device device(EngineOptions options) {
        return switch (options.device()) {
            case Device.Cpu cpu -> cpu;
            case Device.Cuda cuda -> {
                TorchNatives.gpuObstacle().ifPresent(why -> {
                    throw new IllegalArgumentException("--device " + cuda + ": " + why);
                });
                yield cuda;
            }
            case Device.Auto _ ->
                options.kind() == EngineOptions.Kind.KERNELS
                                || TorchNatives.gpuObstacle().isPresent()
                        ? Device.CPU
                        : Device.Cuda.FIRST;
        };
    }

    /** What the steps of a model that was loaded with these options are held against; empty on a processor. */
    public static Optional<GpuFigures> gpuFigures(PackedModel model, EngineOptions options) {
        return kind(model, options) == EngineOptions.Kind.TORCH && device(options) instanceof Device.Cuda gpu
                ? Optional.of(GpuMeasure.of(model, options, gpu))
                : Optional.empty();
    }

    /** The threads that compute. */
    public static int threads(PackedModel model, EngineOptions options) {
        return kind(model, options) == EngineOptions.Kind.KERNELS
                ? CpuProgram.threads(options)
                : TorchProgram.threads(model, options);
    }

    /**
     * Loads a packed model, which must stay open as long as the program.
     *
     * @param context tokens of a sequence
     */
    static DecoderProgram load(PackedModel model, EngineOptions options, int context) {
        return kind(model, options) == EngineOptions.Kind.KERNELS
                ? CpuProgram.load(model, options, context)
                : TorchProgram.load(model, options.on(device(options)), context);
    }
}
