package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import dev.hydrallm.engine.EngineOptions.Precision;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import java.util.Map;

/** How the model's numbers are computed: which texts the program takes in, and what it holds its numbers as. */
enum Arithmetic {
    /** Single precision on a processor, attention in double. */
    CPU_SINGLE("linears-float", "attention-fused", "Tensor", DataType.FLOAT32, DataType.FLOAT64),
    /** int8 weights per output channel times activations quantized per row, by fbgemm on a processor. */
    CPU_INT8(
            "linears-int8",
            "attention-fused",
            "__torch__.torch.classes.quantized.LinearPackedParamsBase",
            DataType.FLOAT32,
            DataType.FLOAT64),
    /** Single precision on a GPU, attention in double: slow, and as exact as on a processor. */
    GPU_SINGLE("linears-float", "attention-products", "Tensor", DataType.FLOAT32, DataType.FLOAT64),
    /** Half precision on a GPU. */
    GPU_HALF("linears-half", "attention-products", "Tensor", DataType.FLOAT16, DataType.FLOAT16),
    /** As {@link #CPU_INT8}, by products of whole numbers on a GPU. */
    GPU_INT8("linears-int8-gpu", "attention-products", "List[Tensor]", DataType.FLOAT16, DataType.FLOAT64);

    /** A product of whole numbers takes more than 16 rows; of multiples of 8 it is as fast as of fewer. */
    static final int FEWEST_INT8_ROWS = 24;

    private static final int INT8_ROW_MULTIPLE = 8;

    /** Of inputs and outputs. */
    static final int INT8_SIZE_MULTIPLE = 8;

    private final String linears;
    private final String attention;
    private final String scriptType;
    private final DataType cacheType;
    private final DataType maskType;

    Arithmetic(String linears, String attention, String scriptType, DataType cacheType, DataType maskType) {
        this.linears = linears;
        this.attention = attention;
        this.scriptType = scriptType;
        this.cacheType = cacheType;
        this.maskType = maskType;
    }

    /** What a processor computes with: single precision only if nothing is quantized. */
    static Arithmetic ofProcessor(Map<TensorGroup, WeightFormat> formats) {
        return quantized(formats) ? CPU_INT8 : CPU_SINGLE;
    }

    /** What a GPU computes with; what is stored as numbers beside codes becomes codes too. */
    static Arithmetic ofGpu(Map<TensorGroup, WeightFormat> formats, Precision precision) {
        if (quantized(formats)) {
            return GPU_INT8;
        }
        return precision == Precision.SINGLE ? GPU_SINGLE : GPU_HALF;
    }

    private static boolean quantized(Map<TensorGroup, WeightFormat> formats) {
        return !formats.values().stream().allMatch(WeightFormat.Floats.class::isInstance);
    }

    /** Whether rows are normed by whatever operators of libtorch are fewest. */
    boolean takesFewestNorms() {
        return this == GPU_HALF || this == GPU_INT8;
    }

    String linears() {
        return linears + ".torchscript";
    }

    String attention() {
        return attention + ".torchscript";
    }

    /** What the program holds a matrix as. */
    String scriptType() {
        return scriptType;
    }

    /** Keys and values. */
    DataType cacheType() {
        return cacheType;
    }

    /** What attention computes in; the masks that are added to its scores. */
    DataType maskType() {
        return maskType;
    }

    /** What linear maps take, and what layers add up to. */
    DataType linearType() {
        return this == GPU_HALF ? DataType.FLOAT16 : DataType.FLOAT32;
    }

    /** The bytes that a matrix takes. */
    long bytes(PackLayout.Matrix matrix) {
        return switch (this) {
            case GPU_INT8, CPU_INT8 -> matrix.rows() * (matrix.columns() + Float.BYTES);
            case CPU_SINGLE, GPU_SINGLE, GPU_HALF ->
                matrix.rows() * matrix.columns() * linearType().getNumOfBytes();
        };
    }

    /**
     * Refuses a shape that its operators do not take.
     *
     * @throws IllegalArgumentException naming the size
     */
    void check(Architecture shape) {
        for (int size :
                new int[] {shape.hiddenSize(), shape.intermediateSize(), shape.attentionSize(), shape.qkvRows()}) {
            if (this == GPU_INT8 && size % INT8_SIZE_MULTIPLE != 0) {
                throw new IllegalArgumentException("8-bit weights on a GPU need sizes that are multiples of "
                        + INT8_SIZE_MULTIPLE + ", and this model has one of " + size + ": give --device cpu");
            }
        }
    }

    /** Rows of a forward over so many tokens. */
    int rows(int tokens) {
        return this == GPU_INT8
                ? Math.max(FEWEST_INT8_ROWS, Math.ceilDiv(tokens, INT8_ROW_MULTIPLE) * INT8_ROW_MULTIPLE)
                : tokens;
    }
}
