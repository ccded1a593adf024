package dev.hydrallm.model;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Which tensors a packed model has, in load order. This is the engine's own layout:
 *
 * <ul>
 *   <li>{@code embedding}; per layer {@code layers.i.} {@code attention_norm}, {@code qkv} (rows of q, then k, then v),
 *       {@code o}, {@code mlp_norm}, {@code gate_up} (gate, then up), {@code down}; {@code norm}; {@code lm_head} unless
 *       tied; {@code fork.next_token} if the draft layers have it; per forked layer the same six under {@code fork.i.}, then
 *       {@code fork.norm}; per head {@code heads.k.residual.j} with a {@code .bias}, and {@code heads.k.lm_head} unless shared;
 *   <li>where the architecture has them, a layer's {@code qkv.bias}, {@code q_norm} and {@code k_norm} stand behind its
 *       {@code qkv}, its {@code o.bias} behind its {@code o};
 *   <li>a matrix X is stored as {@code X.weight} (rows = outputs), int8 with {@code X.scale} (rows) behind it; int4 as
 *       {@code X.scale} (rows, groups of a row), asymmetric with {@code X.minimum} of the same shape, and
 *       {@code X.weight} (rows, columns / 2); nf4 as {@code X.absmax} (rows, blocks of a row), {@code X.absmax_scale} (blocks
 *       of the matrix's absmaxes), {@code X.absmax_mean} (1) and {@code X.weight} (rows, columns / 2): what expands the 4-bit
 *       codes stands before them, so that it is there when they are read. In packs of before it stands behind them; they load
 *       slower;
 *   <li>within every q and k head the rows are interleaved for rotary embedding: row 2j is row j of the source, row
 *       2j+1 is row j + headDim/2, so that a rotated pair lies side by side; so are the numbers of {@code q_norm},
 *       {@code k_norm} and of the q and k of {@code qkv.bias}.
 * </ul>
 */
public final class PackLayout {
    /** The bytes that every tensor's place in the file is a multiple of. */
    public static final int ALIGNMENT = 4096;

    /** Fillers {@code pad.n} stand between tensors, because safetensors allows no holes. */
    public static final String PAD_PREFIX = "pad.";

    /** What draft layers read the next token by, see {@link DraftPart#NEXT_TOKEN}. */
    public static final String NEXT_TOKEN = "fork.next_token";

    private final Architecture architecture;
    private final DraftLayout draft;
    private final List<Part> parts = new ArrayList<>();

    /** A matrix or vector of the model, whatever the format it is stored in. */
    public sealed interface Part {
        String name();
    }

    /** A matrix of {@code rows} outputs and {@code columns} inputs. */
    public record Matrix(String name, TensorGroup group, long rows, long columns) implements Part {
        /** Groups of a row. */
        private long groups(int groupSize) {
            if (columns % groupSize != 0) {
                throw new IllegalArgumentException(name + " has " + columns
                        + " columns, which do not divide into groups of " + groupSize + " for 4 bits: choose "
                        + (columns % 32 == 0 && groupSize > 32 ? "int4 with a smaller group, or int8" : "int8"));
            }
            return columns / groupSize;
        }

        private Stored tensor(String suffix, DType dtype, Long... shape) {
            return new Stored(name + "." + suffix, dtype, List.of(shape));
        }
    }

    /** A norm's weight or a bias: always F32. */
    public record Vector(String name, long length) implements Part {}

    /** A tensor as it stands in the file. */
    public record Stored(String name, DType dtype, List<Long> shape) {}

    private PackLayout(Architecture architecture, DraftLayout draft) {
        this.architecture = architecture;
        this.draft = draft;
        matrix("embedding", TensorGroup.EMBEDDING, architecture.vocabSize(), architecture.hiddenSize());
        decoder("layers", TensorGroup.LAYERS, architecture.layers());
        vector("norm", architecture.hiddenSize());
        if (!architecture.tiedEmbeddings()) {
            matrix("lm_head", TensorGroup.LM_HEAD, architecture.vocabSize(), architecture.hiddenSize());
        }
        if (draft.has(DraftPart.NEXT_TOKEN)) {
            matrix(NEXT_TOKEN, draft.trunk(), architecture.hiddenSize(), architecture.hiddenSize());
        }
        decoder("fork", TensorGroup.FORKED_LAYERS, draft.forkedLayers());
        if (draft.forkedLayers() > 0) {
            vector("fork.norm", architecture.hiddenSize());
        }
        heads();
    }

    /** All parts in load order. */
    public static List<Part> parts(Architecture architecture, DraftLayout draft) {
        return List.copyOf(new PackLayout(architecture, draft).parts);
    }

    /** The groups that have at least one matrix. */
    public static Set<TensorGroup> groups(Architecture architecture, DraftLayout draft) {
        return parts(architecture, draft).stream()
                .filter(Matrix.class::isInstance)
                .map(part -> ((Matrix) part).group())
                .collect(Collectors.toUnmodifiableSet());
    }

    /**
     * The tensors that store a part, in file order.
     *
     * @throws IllegalArgumentException when the group has no format, or one whose groups do not divide the columns
     */
    public static List<Stored> stored(Part part, Map<TensorGroup, WeightFormat> formats) {
        return switch (part) {
            case Vector(String name, long length) -> List.of(new Stored(name, DType.F32, List.of(length)));
            case Matrix matrix -> {
                WeightFormat format = formats.get(matrix.group());
                if (format == null) {
                    throw new IllegalArgumentException("no weight format for the group " + matrix.group());
                }
                yield stored(matrix, format);
            }
        };
    }

    private static List<Stored> stored(Matrix matrix, WeightFormat format) {
        long rows = matrix.rows();
        long columns = matrix.columns();
        return switch (format) {
            case WeightFormat.Floats(DType dtype) -> List.of(matrix.tensor("weight", dtype, rows, columns));
            case WeightFormat.Int8() ->
                List.of(matrix.tensor("weight", DType.I8, rows, columns), matrix.tensor("scale", DType.F32, rows));
            case WeightFormat.Int4(int groupSize, WeightFormat.Int4.Symmetry symmetry) -> {
                long groups = matrix.groups(groupSize);
                Stored scales = matrix.tensor("scale", DType.F16, rows, groups);
                Stored codes = matrix.tensor("weight", DType.U8, rows, columns / 2);
                yield switch (symmetry) {
                    case SYMMETRIC -> List.of(scales, codes);
                    case ASYMMETRIC -> List.of(scales, matrix.tensor("minimum", DType.F16, rows, groups), codes);
                };
            }
            case WeightFormat.Nf4() -> {
                long blocks = matrix.groups(WeightFormat.Nf4.BLOCK);
                yield List.of(
                        matrix.tensor("absmax", DType.U8, rows, blocks),
                        matrix.tensor(
                                "absmax_scale", DType.F32, Math.ceilDiv(rows * blocks, WeightFormat.Nf4.ABSMAX_BLOCK)),
                        matrix.tensor("absmax_mean", DType.F32, 1L),
                        matrix.tensor("weight", DType.U8, rows, columns / 2));
            }
        };
    }

    private void decoder(String prefix, TensorGroup group, int layers) {
        long hidden = architecture.hiddenSize();
        long intermediate = architecture.intermediateSize();
        for (int i = 0; i < layers; i++) {
            String layer = prefix + "." + i + ".";
            vector(layer + "attention_norm", hidden);
            matrix(layer + "qkv", group, architecture.qkvRows(), hidden);
            if (architecture.has(AttentionPart.QKV_BIAS)) {
                vector(layer + "qkv.bias", architecture.qkvRows());
            }
            if (architecture.has(AttentionPart.QK_NORM)) {
                vector(layer + "q_norm", architecture.headDim());
                vector(layer + "k_norm", architecture.headDim());
            }
            matrix(layer + "o", group, hidden, architecture.attentionSize());
            if (architecture.has(AttentionPart.O_BIAS)) {
                vector(layer + "o.bias", hidden);
            }
            vector(layer + "mlp_norm", hidden);
            matrix(layer + "gate_up", group, 2 * intermediate, hidden);
            matrix(layer + "down", group, hidden, intermediate);
        }
    }

    private void heads() {
        long hidden = architecture.hiddenSize();
        for (int k = 0; k < draft.heads(); k++) {
            String head = "heads." + k + ".";
            for (int j = 0; j < draft.residualLayers(); j++) {
                matrix(head + "residual." + j, TensorGroup.HEADS, hidden, hidden);
                vector(head + "residual." + j + ".bias", hidden);
            }
            if (!draft.sharedLmHead()) {
                matrix(head + "lm_head", TensorGroup.HEADS, architecture.vocabSize(), hidden);
            }
        }
    }

    private void matrix(String name, TensorGroup group, long rows, long columns) {
        parts.add(new Matrix(name, group, rows, columns));
    }

    private void vector(String name, long length) {
        parts.add(new Vector(name, length));
    }
}
