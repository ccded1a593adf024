package dev.hydrallm.engine.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.engine.torch.Int8Matrices.Int8Matrix;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.TensorView;
import dev.hydrallm.model.WeightFormat;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/**
 * A packed model's tensors in the form the program takes them. Single-precision tensors are views of the mapped file;
 * the model must stay open as long as this.
 */
final class TorchWeights implements AutoCloseable {
    private static final List<String> LAYER_MATRICES = List.of("qkv", "o", "gate_up", "down");

    private final PackedModel model;
    private final PtNDManager manager;
    private final Script script;
    private final LinearKind kind;
    private final Int8Matrices int8;
    private final Values values = new Values();

    /** The embedding as int8 rows, where it is looked up in those: a tied language-model head takes the same. */
    private Optional<Int8Matrix> lookup = Optional.empty();

    /** Embedding: codes and scales, or values alone. */
    final IValue embedding;

    final IValue layers;
    final IValue norms;
    final IValue lmHead;
    final IValue forkLayers;
    final IValue forkNorms;
    final IValue residuals;
    final IValue residualBiases;
    final IValue headLmHeads;

    TorchWeights(PackedModel model, PtNDManager manager, Script script, LinearKind kind, Int8Matrices int8) {
        this.model = model;
        this.manager = manager;
        this.script = script;
        this.kind = kind;
        this.int8 = int8;
        DraftLayout draft = model.draft();
        int layerCount = model.architecture().layers();
        embedding = embeddingTable();
        layers = layerMatrices("layers.", layerCount);
        norms = layerVectors("layers.", layerCount, "norm");
        lmHead = matrix(model.architecture().tiedEmbeddings() ? "embedding.weight" : "lm_head.weight");
        // An empty list has no element type in the program; without forked layers, or heads, it does not look at these.
        forkLayers = draft.forkedLayers() > 0 ? layerMatrices("fork.", draft.forkedLayers()) : layers;
        forkNorms = draft.forkedLayers() > 0 ? layerVectors("fork.", draft.forkedLayers(), "fork.norm") : norms;
        boolean heads = draft.heads() > 0;
        residuals = heads ? residualMatrices(draft) : layers;
        residualBiases = heads ? residualBiases(draft) : norms;
        headLmHeads =
                heads && !draft.sharedLmHead() ? headMatrices(draft) : repeated(lmHead, Math.max(1, draft.heads()));
    }

    private IValue embeddingTable() {
        String name = "embedding.weight";
        if (kind == LinearKind.FLOAT) {
            return values.tensors(List.of(values.keep(single(name))));
        }
        if (model.manifest().quantization().get(TensorGroup.EMBEDDING) instanceof WeightFormat.Floats) {
            // Numbers are codes whose scale is 1: they are looked up as exactly as they are stored.
            long vocabulary = model.architecture().vocabSize();
            return values.tensors(List.of(tensor(name), values.keep(manager.ones(new Shape(vocabulary)))));
        }
        Int8Matrix rows = values.own(int8.take("embedding"));
        lookup = Optional.of(rows);
        return values.tensors(List.of(values.keep(codes(rows)), values.keep(scales(rows))));
    }

    private IValue layerMatrices(String prefix, int count) {
        List<IValue> matrices = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            for (String name : LAYER_MATRICES) {
                matrices.add(matrix(prefix + i + "." + name + ".weight"));
            }
        }
        return values.list(matrices);
    }

    /**
     * Each layer's gains and what its attention adds, the last norm's gain and the floor that all share; see the
     * program's norm. Normed heads have a floor of their own before that one.
     */
    private IValue layerVectors(String prefix, int count, String last) {
        Architecture shape = model.architecture();
        List<PtNDArray> tensors = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            tensors.add(gain(prefix + i + ".attention_norm"));
            tensors.add(gain(prefix + i + ".mlp_norm"));
            for (AttentionPart part : shape.attentionParts()) {
                tensors.add(
                        switch (part) {
                            case QKV_BIAS -> tensor(prefix + i + ".qkv.bias");
                            case QK_NORM -> headGains(prefix + i);
                            case O_BIAS -> tensor(prefix + i + ".o.bias");
                        });
            }
        }
        tensors.add(gain(last));
        if (shape.has(AttentionPart.QK_NORM)) {
            tensors.add(floor(shape.headDim()));
        }
        tensors.add(floor(shape.hiddenSize()));
        return values.tensors(tensors);
    }

    private PtNDArray floor(int size) {
        double floor = Math.sqrt(model.architecture().normEpsilon() * size);
        return values.keep(manager.create(new float[] {(float) floor}));
    }

    private PtNDArray gain(String name) {
        double root = Math.sqrt(model.architecture().hiddenSize());
        try (PtNDArray gain = view(name)) {
            return values.keep(gain.mul(root));
        }
    }

    /** A gain for every query and key head of a layer, (heads, head dim). */
    private PtNDArray headGains(String layer) {
        Architecture shape = model.architecture();
        try (Values parts = new Values()) {
            NDArray query = parts.keep(view(layer + ".q_norm"));
            NDArray key = parts.keep(view(layer + ".k_norm"));
            NDArray queries = parts.keep(query.broadcast(shape.heads(), shape.headDim()));
            NDArray keys = parts.keep(key.broadcast(shape.kvHeads(), shape.headDim()));
            NDArray all = parts.keep(queries.concat(keys, 0));
            return values.keep(all.mul(Math.sqrt(shape.headDim())));
        }
    }

    /** The heads' first blocks below each other, for they read the same rows; then the other blocks, head by head. */
    private IValue residualMatrices(DraftLayout draft) {
        List<String> firsts = new ArrayList<>();
        for (int k = 0; k < draft.heads(); k++) {
            firsts.add(residual(k, 0) + ".weight");
        }
        List<IValue> matrices = new ArrayList<>(List.of(matrix(firsts)));
        for (int k = 0; k < draft.heads(); k++) {
            for (int j = 1; j < draft.residualLayers(); j++) {
                matrices.add(matrix(residual(k, j) + ".weight"));
            }
        }
        return values.list(matrices);
    }

    private IValue residualBiases(DraftLayout draft) {
        List<String> firsts = new ArrayList<>();
        for (int k = 0; k < draft.heads(); k++) {
            firsts.add(residual(k, 0) + ".bias");
        }
        List<PtNDArray> tensors = new ArrayList<>(List.of(stacked(firsts)));
        for (int k = 0; k < draft.heads(); k++) {
            for (int j = 1; j < draft.residualLayers(); j++) {
                tensors.add(tensor(residual(k, j) + ".bias"));
            }
        }
        return values.tensors(tensors);
    }

    private IValue headMatrices(DraftLayout draft) {
        List<IValue> matrices = new ArrayList<>();
        for (int k = 0; k < draft.heads(); k++) {
            matrices.add(matrix("heads." + k + ".lm_head.weight"));
        }
        return values.list(matrices);
    }

    private IValue repeated(IValue matrix, int times) {
        return values.list(Collections.nCopies(times, matrix));
    }

    private static String residual(int head, int block) {
        return "heads." + head + ".residual." + block;
    }

    private IValue matrix(String name) {
        return matrix(List.of(name));
    }

    /** The rows of several matrices below each other as one. */
    private IValue matrix(List<String> names) {
        if (kind == LinearKind.FLOAT) {
            return values.of(names.size() == 1 ? values.keep(single(names.getFirst())) : stacked(names));
        }
        // Packing copies, so the parts may go.
        try (Values parts = new Values()) {
            List<Int8Matrix> matrices =
                    names.stream().map(name -> rows(name, parts)).toList();
            PtNDArray codes = joined(matrices.stream().map(this::codes).toList(), parts);
            PtNDArray scales = joined(matrices.stream().map(this::scales).toList(), parts);
            return values.keep(script.call("pack", parts.of(codes), parts.of(scales)));
        }
    }

    private Int8Matrix rows(String name, Values scope) {
        String matrix = name.substring(0, name.length() - ".weight".length());
        return matrix.equals("embedding") && lookup.isPresent() ? lookup.get() : scope.own(int8.take(matrix));
    }

    private PtNDArray codes(Int8Matrix rows) {
        Shape shape = new Shape(rows.matrix().rows(), rows.matrix().columns());
        return tensor(rows.codes(), shape, DataType.INT8);
    }

    private PtNDArray scales(Int8Matrix rows) {
        return tensor(rows.scales(), new Shape(rows.matrix().rows()), DataType.FLOAT32);
    }

    private PtNDArray stacked(List<String> names) {
        return stacked(names, values);
    }

    private PtNDArray stacked(List<String> names, Values scope) {
        PtNDArray joined = joined(names.stream().map(this::view).toList(), scope);
        return joined.getDataType() == DataType.FLOAT16 ? scope.keep(joined.toType(DataType.FLOAT32, false)) : joined;
    }

    /** Tensors below each other. */
    private static PtNDArray joined(List<PtNDArray> tensors, Values scope) {
        tensors.forEach(scope::keep);
        PtNDArray joined = tensors.getFirst();
        for (PtNDArray tensor : tensors.subList(1, tensors.size())) {
            joined = scope.keep(joined.concat(tensor, 0));
        }
        return joined;
    }

    /** A tensor that is in the form the program takes already. */
    private PtNDArray tensor(String name) {
        return values.keep(view(name));
    }

    private PtNDArray single(String name) {
        PtNDArray view = values.keep(view(name));
        return view.getDataType() == DataType.FLOAT16 ? view.toType(DataType.FLOAT32, false) : view;
    }

    /** The mapped file's bytes as a tensor, without a copy. */
    private PtNDArray view(String name) {
        TensorView view = model.tensor(name);
        DataType type = switch (view.dtype()) {
            case F32 -> DataType.FLOAT32;
            case F16 -> DataType.FLOAT16;
            case I8 -> DataType.INT8;
            default -> throw new IllegalStateException(name + " has type " + view.dtype());
        };
        return tensor(
                view.data(),
                new Shape(view.shape().stream().mapToLong(Long::longValue).toArray()),
                type);
    }

    /** Memory as a tensor, without a copy. */
    private PtNDArray tensor(MemorySegment data, Shape shape, DataType type) {
        ByteBuffer bytes = data.asByteBuffer().order(ByteOrder.nativeOrder());
        return manager.create(bytes, shape, type);
    }

    @Override
    public void close() {
        values.close();
    }
}
