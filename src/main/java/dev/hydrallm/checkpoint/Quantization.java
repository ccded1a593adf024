package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import java.util.Optional;

/**
 * How the matrices of a checkpoint are stored when it is packed. Empty leaves them as they are: F16 stays F16, F32 stays F32,
 * and BF16 becomes F32, which holds it exactly.
 *
 * @param layers the base's decoder layers
 * @param draft draft heads and forked layers
 * @param embeddings the embedding and the language-model head
 */
public record Quantization(
        Optional<WeightFormat> layers, Optional<WeightFormat> draft, Optional<WeightFormat> embeddings) {
    /** int4 as it is packed when nothing else is asked for. */
    public static final WeightFormat.Int4 DEFAULT_INT4 =
            new WeightFormat.Int4(64, WeightFormat.Int4.Symmetry.SYMMETRIC);

    /** Everything as it is. */
    public static final Quantization NONE = new Quantization(Optional.empty(), Optional.empty(), Optional.empty());

    public static final Quantization INT8 = of(WeightFormat.INT8);
    public static final Quantization INT4 = of(DEFAULT_INT4);
    public static final Quantization NF4 = of(WeightFormat.NF4);

    /**
     * One format for all, but for embeddings where it has 4 bits: they get 8, because every token passes through both of them,
     * and in large models they are a small part.
     */
    public static Quantization of(WeightFormat format) {
        return new Quantization(Optional.of(format), Optional.of(format), Optional.of(embeddingsBeside(format)));
    }

    private static WeightFormat embeddingsBeside(WeightFormat format) {
        return switch (format) {
            case WeightFormat.Int4 int4 -> WeightFormat.INT8;
            case WeightFormat.Nf4 nf4 -> WeightFormat.INT8;
            case WeightFormat.Int8 int8 -> int8;
            case WeightFormat.Floats floats -> floats;
        };
    }

    /** The same with draft heads and forked layers in another format. */
    public Quantization withDraft(Optional<WeightFormat> format) {
        return new Quantization(layers, format, embeddings);
    }

    /** The same with the embedding and the language-model head in another format. */
    public Quantization withEmbeddings(Optional<WeightFormat> format) {
        return new Quantization(layers, draft, format);
    }

    WeightFormat formatOf(TensorGroup group, DType source) {
        Optional<WeightFormat> format = switch (group) {
            case LAYERS -> layers;
            case FORKED_LAYERS, HEADS -> draft;
            case EMBEDDING, LM_HEAD -> embeddings;
        };
        return format.orElse(source == DType.F16 ? WeightFormat.F16 : WeightFormat.F32);
    }
}
