package dev.hydrallm.engine.torch;

import ai.djl.engine.EngineException;
import ai.djl.pytorch.engine.PtNDManager;

/** How rows are normed. */
enum RmsNorm {
    /** In four operators, with sums of squares of a chosen precision. */
    SEPARATE("norms-single"),
    /** In one. */
    FUSED("norms-fused"),
    /** In two, where its own function would be eight. */
    MIRRORED("norms-mirrored");

    /** Compiles only where libtorch has the one operator, from 2.9 on. */
    private static final String PROBE = """
            class Probe(Module):
              __parameters__ = []
              __buffers__ = []
              training : bool
              def norm(self: __torch__.Probe, x: Tensor, gain: Tensor) -> Tensor:
                normed, _0 = torch._fused_rms_norm(x, [8], gain, 1.0000000000000001e-05)
                return normed
            """;

    private final String resource;

    RmsNorm(String resource) {
        this.resource = resource;
    }

    String resource() {
        return resource + ".torchscript";
    }

    /** The fewest operators that this libtorch has for it. */
    static RmsNorm ofLibtorch(PtNDManager manager) {
        try (Script _ = Script.compile(manager, "Probe", PROBE)) {
            return FUSED;
        } catch (EngineException e) {
            return MIRRORED;
        }
    }
}
