package dev.hydrallm.engine.torch;

import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.model.PackedModel;
import java.util.Optional;

/** The program that a GPU would run, on libtorch's processor operators. */
public final class GpuProgramOnProcessor {
    private GpuProgramOnProcessor() {}

    /** How a GPU's libtorch norms rows. */
    public enum Norm {
        FUSED,
        MIRRORED
    }

    /** Loads a packed model as for a GPU. */
    public static DecoderProgram load(PackedModel model, EngineOptions options, int context, Norm norm) {
        TorchNatives.load();
        Arithmetic arithmetic = Arithmetic.ofGpu(model.manifest().quantization(), options.precision());
        TorchSetting setting = new TorchSetting(
                arithmetic,
                arithmetic.takesFewestNorms() ? RmsNorm.valueOf(norm.name()) : RmsNorm.SEPARATE,
                ActivationRange.FULL,
                ai.djl.Device.cpu(),
                Optional.of(new HostLink()),
                Optional.empty());
        return new TorchProgram(model, options, context, setting);
    }
}
