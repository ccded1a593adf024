package dev.hydrallm.cli;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.Programs;
import dev.hydrallm.engine.torch.LearnerOptions;
import dev.hydrallm.engine.torch.TorchLearner;
import dev.hydrallm.engine.torch.TorchNatives;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.training.Learner;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What heads learn on. It is no part of what a run is: one that was begun here may go on elsewhere. */
final class LearnerDeviceOptions {
    @Option(
            names = "--device",
            paramLabel = "DEVICE",
            converter = DeviceOptions.Converter.class,
            description = "cpu, cuda, cuda:N or auto: the first GPU where libtorch can use one. Default: auto.")
    Device device = Device.AUTO;

    @Option(names = "--threads", paramLabel = "N", description = "CPU threads. Default: all this process may use.")
    int threads;

    @Option(
            names = "--bf16",
            arity = "0..1",
            fallbackValue = "true",
            paramLabel = "true|false",
            description = "Whether a GPU computes in bfloat16, with 32-bit weights and sums. Default: true.")
    @Nullable
    Boolean bf16;

    /**
     * The device that is meant.
     *
     * @throws IllegalArgumentException when there is no such device
     */
    Device device() {
        return Programs.device(EngineOptions.DEFAULT.on(device).on(EngineOptions.Kind.TORCH));
    }

    /** Loads a base and makes room for heads. */
    Learner learner(PackedModel base, DraftLayout heads, int longest, double distillationWeight) {
        TorchNatives.load(Progress.ofNatives());
        LearnerOptions options = LearnerOptions.on(device())
                .in(precision())
                .withContextLength(longest)
                .withThreads(threads)
                .withDistillation(distillationWeight);
        return TorchLearner.load(base, heads, options);
    }

    private LearnerOptions.Precision precision() {
        Device where = device();
        if (bf16 != null && bf16 && !(where instanceof Device.Cuda)) {
            throw new IllegalArgumentException("--bf16 is for a GPU, and this runs on " + where + ": leave it out");
        }
        return bf16 == null || bf16 ? LearnerOptions.on(where).precision() : LearnerOptions.Precision.SINGLE;
    }

    /** The kind of device, and the precision: what the last digits of losses depend on. */
    String described() {
        return (device() instanceof Device.Cuda ? "a GPU" : "a processor") + " in "
                + (precision() == LearnerOptions.Precision.BFLOAT16
                        ? "bfloat16"
                        : precision().name().toLowerCase(Locale.ROOT) + " precision");
    }
}
