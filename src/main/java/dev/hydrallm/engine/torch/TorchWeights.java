package dev.hydrallm.engine.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.jni.IValue;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** A packed model's tensors in the form the program takes them. */
final class TorchWeights {
    private static final List<String> LAYER_MATRICES = List.of("qkv", "o", "gate_up", "down");

    private final PackedModel model;
    private final PtNDManager manager;
    private final Matrices matrices;
    private final TorchSetting setting;
    private final Values values;

    /** Embedding: codes and scales, or values alone. */
    final IValue embedding;

    final IValue layers;
    final IValue norms;
    final IValue lmHead;
    /** What draft layers read the next token by. */
    final IValue nextToken;

    final IValue forkLayers;
    final IValue forkNorms;
    final IValue residuals;
    final IValue residualBiases;
    final IValue headLmHeads;

    /**
     * Loads them, on several threads where they are packed or sent to a device.
     *
     * @param draft which draft layers and heads to load: the model's, or none
     * @param values what is loaded is kept here, also when this throws
     */
    TorchWeights(
            PackedModel model,
            DraftLayout draft,
            PtNDManager manager,
            Matrices matrices,
            TorchSetting setting,
            Values values) {
        this.model = model;
        this.manager = manager;
        this.matrices = matrices;
        this.setting = setting;
        this.values = values;
        int layerCount = model.architecture().layers();
        boolean forked = draft.forkedLayers() > 0;
        boolean heads = draft.heads() > 0;
        Supplier<IValue> table = matrices.embedding();
        // All that is packed begins here, in the file's order.
        Supplier<IValue> baseMatrices = layerMatrices("layers.", layerCount);
        Supplier<IValue> baseHead = matrix(model.architecture().tiedEmbeddings() ? "embedding" : "lm_head");
        Optional<Supplier<IValue>> nextMatrix =
                draft.has(DraftPart.NEXT_TOKEN) ? Optional.of(matrix(PackLayout.NEXT_TOKEN)) : Optional.empty();
        Supplier<IValue> forkMatrices = layerMatrices("fork.", draft.forkedLayers());
        Supplier<IValue> residualMatrices = heads ? residualMatrices(draft) : list(List.of());
        Supplier<IValue> ownHeads = draft.sharedLmHead() ? list(List.of()) : headMatrices(draft);
        embedding = table.get();
        layers = baseMatrices.get();
        norms = layerVectors("layers.", layerCount, "norm");
        lmHead = baseHead.get();
        // An empty list has no element type in the program; without what these are, it does not look at them.
        nextToken = nextMatrix.map(Supplier::get).orElse(lmHead);
        forkLayers = forked ? forkMatrices.get() : layers;
        forkNorms = forked ? layerVectors("fork.", draft.forkedLayers(), "fork.norm") : norms;
        residuals = heads ? residualMatrices.get() : layers;
        residualBiases = heads ? residualBiases(draft) : norms;
        headLmHeads = heads && !draft.sharedLmHead() ? ownHeads.get() : repeated(lmHead, Math.max(1, draft.heads()));
    }

    private Supplier<IValue> layerMatrices(String prefix, int count) {
        List<Supplier<IValue>> matrices = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            for (String name : LAYER_MATRICES) {
                matrices.add(matrix(prefix + i + "." + name));
            }
        }
        return list(matrices);
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
        tensors.add(setting.norm() == RmsNorm.MIRRORED ? signs() : floor(shape.hiddenSize()));
        return values.tensors(tensors);
    }

    private PtNDArray signs() {
        // Kept, too: of the same type the other may be the same memory, which is Java's.
        PtNDArray signs = values.keep(manager.create(new float[] {1, -1}, new Shape(2, 1)));
        return values.keep(signs.toType(setting.arithmetic().linearType(), true));
    }

    private PtNDArray floor(int size) {
        double floor = Math.sqrt(model.architecture().normEpsilon() * size);
        return values.keep(manager.create(new float[] {(float) floor}));
    }

    /** As the program's norm takes it. */
    private PtNDArray gain(String name) {
        DataType type = setting.arithmetic().linearType();
        try (Values scope = new Values()) {
            NDArray gain = scope.keep(view(name));
            return switch (setting.norm()) {
                case SEPARATE ->
                    values.keep(gain.mul(Math.sqrt(model.architecture().hiddenSize())));
                case FUSED -> values.keep(gain.toType(type, true));
                case MIRRORED -> values.keep(scope.keep(gain.concat(gain, 0)).toType(type, true));
            };
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
    private Supplier<IValue> residualMatrices(DraftLayout draft) {
        List<String> firsts = new ArrayList<>();
        for (int k = 0; k < draft.heads(); k++) {
            firsts.add(residual(k, 0));
        }
        List<Supplier<IValue>> matrices = new ArrayList<>(List.of(this.matrices.begin(firsts)));
        for (int k = 0; k < draft.heads(); k++) {
            for (int j = 1; j < draft.residualLayers(); j++) {
                matrices.add(matrix(residual(k, j)));
            }
        }
        return list(matrices);
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

    private PtNDArray stacked(List<String> names) {
        try (Values parts = new Values()) {
            PtNDArray joined = Matrices.joined(names.stream().map(this::view).toList(), parts);
            return values.keep(joined.toType(DataType.FLOAT32, true));
        }
    }

    private Supplier<IValue> headMatrices(DraftLayout draft) {
        List<Supplier<IValue>> matrices = new ArrayList<>();
        for (int k = 0; k < draft.heads(); k++) {
            matrices.add(matrix("heads." + k + ".lm_head"));
        }
        return list(matrices);
    }

    private Supplier<IValue> list(List<Supplier<IValue>> matrices) {
        return () -> values.list(matrices.stream().map(Supplier::get).toList());
    }

    private IValue repeated(IValue matrix, int times) {
        return values.list(Collections.nCopies(times, matrix));
    }

    private static String residual(int head, int block) {
        return "heads." + head + ".residual." + block;
    }

    private Supplier<IValue> matrix(String name) {
        return matrices.begin(List.of(name));
    }

    private PtNDArray tensor(String name) {
        return values.keep(view(name));
    }

    private PtNDArray view(String name) {
        return Matrices.tensor(manager, model.tensor(name));
    }
}
