package dev.hydrallm.checkpoint;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.TensorProblems;
import dev.hydrallm.model.WeightFormat;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Says of every part of a {@link PackLayout} which tensors of a checkpoint it is made of. Making one checks that each
 * tensor that is needed is there in its shape, and that nothing else is.
 */
final class PackSource {
    private final Architecture shape;
    private final DraftLayout draft;
    private final Map<String, Rows> rows = new LinkedHashMap<>();
    private final Map<TensorGroup, DType> dtypes = new EnumMap<>(TensorGroup.class);

    PackSource(Checkpoint checkpoint) {
        shape = checkpoint.config().architecture();
        draft = checkpoint.layout();
        Tensors base = new Tensors(checkpoint.weights(), checkpoint.baseTensors());
        base(base);
        base.ignore("lm_head.weight", shape.tiedEmbeddings());
        base.check("");
        if (draft.heads() > 0) {
            Tensors heads = new Tensors(checkpoint.headWeights(), checkpoint.headTensors());
            heads(heads);
            heads.check(" (are these the heads of this base? It has a hidden size of " + shape.hiddenSize()
                    + " and a vocabulary of " + shape.vocabSize() + ")");
        }
    }

    /** The rows of a part; a vector has one. */
    Rows rows(PackLayout.Part part) {
        return Objects.requireNonNull(rows.get(part.name()));
    }

    /** The formats of the groups: as the quantization says of their source's type. */
    Map<TensorGroup, WeightFormat> formats(Quantization quantization) {
        Map<TensorGroup, WeightFormat> formats = new EnumMap<>(TensorGroup.class);
        dtypes.forEach((group, dtype) -> formats.put(group, quantization.formatOf(group, dtype)));
        return formats;
    }

    private void base(Tensors tensors) {
        long hidden = shape.hiddenSize();
        matrix(
                "embedding",
                TensorGroup.EMBEDDING,
                tensors.matrix("model.embed_tokens.weight", shape.vocabSize(), hidden));
        for (int i = 0; i < shape.layers(); i++) {
            String layer = "model.layers." + i + ".";
            layer("layers." + i + ".", TensorGroup.LAYERS, tensors, part -> layer + part);
            tensors.ignore(layer + "self_attn.rotary_emb.inv_freq", true);
        }
        vector("norm", tensors.vector("model.norm.weight", hidden));
        if (!shape.tiedEmbeddings()) {
            matrix("lm_head", TensorGroup.LM_HEAD, tensors.matrix("lm_head.weight", shape.vocabSize(), hidden));
        }
    }

    private void heads(Tensors tensors) {
        long hidden = shape.hiddenSize();
        if (draft.has(DraftPart.NEXT_TOKEN)) {
            matrix(PackLayout.NEXT_TOKEN, draft.trunk(), tensors.matrix(DraftHeads.Names.NEXT_TOKEN, hidden, hidden));
        }
        for (int i = 0; i < draft.forkedLayers(); i++) {
            int index = i;
            layer("fork." + i + ".", TensorGroup.FORKED_LAYERS, tensors, part -> DraftHeads.Names.layer(index, part));
        }
        if (draft.forkedLayers() > 0) {
            vector("fork.norm", tensors.vector(DraftHeads.Names.NORM, hidden));
        }
        for (int k = 0; k < draft.heads(); k++) {
            for (int j = 0; j < draft.residualLayers(); j++) {
                String block = "heads." + k + ".residual." + j;
                matrix(
                        block,
                        TensorGroup.HEADS,
                        tensors.matrix(DraftHeads.Names.block(k, j, "weight"), hidden, hidden));
                vector(block + ".bias", tensors.vector(DraftHeads.Names.block(k, j, "bias"), hidden));
            }
            if (!draft.sharedLmHead()) {
                matrix(
                        "heads." + k + ".lm_head",
                        TensorGroup.HEADS,
                        tensors.matrix(DraftHeads.Names.lmHead(k, draft.residualLayers()), shape.vocabSize(), hidden));
            }
        }
    }

    /** How a decoder layer's tensors are called in a source. */
    private interface LayerNames {
        String of(String part);
    }

    private void layer(String to, TensorGroup group, Tensors tensors, LayerNames names) {
        long hidden = shape.hiddenSize();
        long attention = shape.attentionSize();
        long keys = (long) shape.kvHeads() * shape.headDim();
        long intermediate = shape.intermediateSize();
        vector(to + "attention_norm", tensors.vector(names.of("input_layernorm.weight"), hidden));
        matrix(
                to + "qkv",
                group,
                tensors.matrix(names.of("self_attn.q_proj.weight"), attention, hidden)
                        .rotaryPairs(shape.headDim()),
                tensors.matrix(names.of("self_attn.k_proj.weight"), keys, hidden)
                        .rotaryPairs(shape.headDim()),
                tensors.matrix(names.of("self_attn.v_proj.weight"), keys, hidden));
        if (shape.has(AttentionPart.QKV_BIAS)) {
            columns(
                    to + "qkv.bias",
                    tensors.column(names.of("self_attn.q_proj.bias"), attention).rotaryPairs(shape.headDim()),
                    tensors.column(names.of("self_attn.k_proj.bias"), keys).rotaryPairs(shape.headDim()),
                    tensors.column(names.of("self_attn.v_proj.bias"), keys));
        }
        if (shape.has(AttentionPart.QK_NORM)) {
            int headDim = shape.headDim();
            columns(
                    to + "q_norm",
                    tensors.column(names.of("self_attn.q_norm.weight"), headDim).rotaryPairs(headDim));
            columns(
                    to + "k_norm",
                    tensors.column(names.of("self_attn.k_norm.weight"), headDim).rotaryPairs(headDim));
        }
        matrix(to + "o", group, tensors.matrix(names.of("self_attn.o_proj.weight"), hidden, attention));
        if (shape.has(AttentionPart.O_BIAS)) {
            vector(to + "o.bias", tensors.vector(names.of("self_attn.o_proj.bias"), hidden));
        }
        vector(to + "mlp_norm", tensors.vector(names.of("post_attention_layernorm.weight"), hidden));
        matrix(
                to + "gate_up",
                group,
                tensors.matrix(names.of("mlp.gate_proj.weight"), intermediate, hidden),
                tensors.matrix(names.of("mlp.up_proj.weight"), intermediate, hidden));
        matrix(to + "down", group, tensors.matrix(names.of("mlp.down_proj.weight"), hidden, intermediate));
    }

    /** Rows with the type they are stored in. */
    private record SourceRows(DType dtype, Rows rows) {
        SourceRows rotaryPairs(int headDim) {
            return new SourceRows(dtype, Rows.rotaryPairs(rows, headDim));
        }
    }

    private void matrix(String name, TensorGroup group, SourceRows... parts) {
        List<Rows> all = new ArrayList<>();
        for (SourceRows part : parts) {
            all.add(part.rows);
            // One format for a group: F16 only if all of it is.
            dtypes.merge(group, part.dtype, (one, other) -> one == other ? one : DType.F32);
        }
        rows.put(name, Rows.concatenated(all));
    }

    private void vector(String name, SourceRows part) {
        rows.put(name, part.rows);
    }

    /** A vector of several, which come as columns. */
    private void columns(String name, SourceRows... parts) {
        rows.put(
                name,
                Rows.asOneRow(
                        Rows.concatenated(Stream.of(parts).map(SourceRows::rows).toList())));
    }

    /** A file's tensors, with what was asked for and what was wrong. */
    private static final class Tensors {
        private final Path file;
        private final Map<String, SourceTensor> tensors;
        private final Set<String> asked = new HashSet<>();
        private final List<String> missing = new ArrayList<>();
        private final List<String> wrong = new ArrayList<>();

        Tensors(Path file, Map<String, SourceTensor> tensors) {
            this.file = file;
            this.tensors = tensors;
        }

        SourceRows matrix(String name, long rows, long columns) {
            return take(name, List.of(rows, columns), Rows::of);
        }

        SourceRows vector(String name, long length) {
            return take(name, List.of(length), Rows::of);
        }

        /** A vector as rows of one number. */
        SourceRows column(String name, long length) {
            return take(name, List.of(length), tensor -> Rows.of(tensor.asColumn()));
        }

        private SourceRows take(String name, List<Long> expected, Function<SourceTensor, Rows> reader) {
            asked.add(name);
            SourceTensor tensor = tensors.get(name);
            if (tensor == null) {
                missing.add(name);
            } else if (!tensor.shape().equals(expected)) {
                wrong.add(tensor.name() + " (" + tensor.shape() + " instead of " + expected + ")");
            } else if (tensor.dtype() != DType.F32 && tensor.dtype() != DType.F16 && tensor.dtype() != DType.BF16) {
                wrong.add(tensor.name() + " (of type " + tensor.dtype() + "; weights are F32, F16 or BF16)");
            } else {
                return new SourceRows(tensor.dtype(), reader.apply(tensor));
            }
            return new SourceRows(DType.F32, Rows.concatenated(List.of()));
        }

        /** A tensor that may be there and is not needed. */
        void ignore(String name, boolean unneeded) {
            if (unneeded) {
                asked.add(name);
            }
        }

        void check(String hint) {
            List<String> unexpected = tensors.keySet().stream()
                    .filter(name -> !asked.contains(name))
                    .toList();
            try {
                TensorProblems.check(file, missing, unexpected, wrong);
            } catch (ModelFormatException e) {
                throw wrong.isEmpty() ? e : new ModelFormatException(e.getMessage() + hint, e);
            }
        }
    }
}
