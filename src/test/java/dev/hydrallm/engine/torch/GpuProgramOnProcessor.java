package dev.hydrallm.engine.torch;

import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.EngineOptions.Precision;
import dev.hydrallm.model.PackedModel;
import java.util.Optional;

/** The program that a GPU would run, on libtorch's processor operators. */
public final class GpuProgramOnProcessor {
    private GpuProgramOnProcessor() {}

    /** Loads a packed model as for a GPU. */
    public static DecoderProgram load(PackedModel model, EngineOptions options, int context) {
        return load(model, options, context, options.precision());
    }

    private static DecoderProgram load(PackedModel model, EngineOptions options, int context, Precision precision) {
        TorchNatives.load();
        Arithmetic arithmetic = Arithmetic.ofGpu(model.manifest().quantization(), precision);
        TorchSetting setting = new TorchSetting(
                arithmetic, ActivationRange.FULL, ai.djl.Device.cpu(), Optional.of(new HostLink()), Optional.empty());
        return new TorchProgram(model, options, context, setting);
    }
}
