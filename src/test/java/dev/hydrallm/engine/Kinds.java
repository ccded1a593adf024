package dev.hydrallm.engine;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.engine.cpu.CpuProgram;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import java.util.Optional;

/** Engines of a chosen kind, for tests that every kind has to pass; they are skipped by name where it cannot run the pack. */
final class Kinds {
    private Kinds() {}

    static ModelEngine load(PackedModel pack, EngineOptions options, Kind kind) {
        return ModelEngine.load(pack, on(kind, pack, options));
    }

    /** The options of this kind, or a skipped test. */
    static EngineOptions on(Kind kind, PackedModel pack, EngineOptions options) {
        if (kind == Kind.KERNELS) {
            Optional<String> obstacle = CpuProgram.obstacle(pack);
            assumeTrue(obstacle.isEmpty(), () -> "the kernels cannot run this pack: " + obstacle.orElseThrow());
        }
        return options.on(kind);
    }

    /** The most exact format of weights that a kind computes with. */
    static WeightFormat exactest(Kind kind) {
        return kind == Kind.TORCH ? WeightFormat.F32 : WeightFormat.INT8;
    }

    /** The same as a way to pack a checkpoint. */
    static Quantization quantization(Kind kind) {
        return kind == Kind.TORCH ? Quantization.NONE : Quantization.INT8;
    }

    /** The naive model of a pack in {@link #exactest} weights, computing with activations as the kind does. */
    static ReferenceModel reference(Kind kind, PackedModel pack) {
        return kind == Kind.TORCH ? new ReferenceModel(pack) : ReferenceModel.eightBit(pack);
    }
}
