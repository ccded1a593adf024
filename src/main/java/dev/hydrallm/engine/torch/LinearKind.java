package dev.hydrallm.engine.torch;

import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import java.util.Map;

/** How the model's matrix products are computed: which text the program takes in, and what it holds a matrix as. */
enum LinearKind {
    /** Single precision. */
    FLOAT("linears-float.torchscript", "Tensor"),
    /** int8 weights per output channel times activations quantized per row, by fbgemm. */
    INT8("linears-int8.torchscript", "__torch__.torch.classes.quantized.LinearPackedParamsBase");

    private final String resource;
    private final String scriptType;

    LinearKind(String resource, String scriptType) {
        this.resource = resource;
        this.scriptType = scriptType;
    }

    /** Single precision only if nothing is quantized; what is stored as numbers beside codes becomes codes too. */
    static LinearKind of(Map<TensorGroup, WeightFormat> formats) {
        return formats.values().stream().allMatch(WeightFormat.Floats.class::isInstance) ? FLOAT : INT8;
    }

    String resource() {
        return resource;
    }

    String scriptType() {
        return scriptType;
    }
}
