package dev.hydrallm.engine.torch;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.training.Learner.Parameter;
import java.util.ArrayList;
import java.util.List;

/**
 * Which parameters learn, in which order: the forked layers' tensors, what reads the next token, the norm, then head by head its
 * residual blocks and its last matrix. Names and shapes are a head checkpoint's.
 */
final class LearningLayout {
    private final Architecture shape;
    private final DraftLayout draft;
    private final List<String> layerTensors = new ArrayList<>();
    private final List<int[]> layerShapes = new ArrayList<>();
    private final List<Parameter> parameters = new ArrayList<>();
    private final int firstHead;

    /** @throws IllegalArgumentException when such heads have nothing to learn, or the base has too few layers to fork */
    LearningLayout(Architecture shape, DraftLayout draft) {
        if (draft.forkedLayers() > shape.layers()) {
            throw new IllegalArgumentException(
                    draft.forkedLayers() + " decoder layers cannot be forked from a base of " + shape.layers());
        }
        this.shape = shape;
        this.draft = draft;
        layer();
        for (int i = 0; i < draft.forkedLayers(); i++) {
            for (int j = 0; j < layerTensors.size(); j++) {
                add("medusa_decoder_layers." + i + "." + layerTensors.get(j), layerShapes.get(j));
            }
        }
        if (draft.has(DraftPart.NEXT_TOKEN)) {
            add("medusa_next_token.weight", shape.hiddenSize(), shape.hiddenSize());
        }
        if (draft.forkedLayers() > 0) {
            add("medusa_rms_norm.weight", shape.hiddenSize());
        }
        firstHead = parameters.size();
        for (int k = 0; k < draft.heads(); k++) {
            head("medusa_head." + k + ".");
        }
        if (parameters.isEmpty()) {
            throw new IllegalArgumentException(
                    "there is nothing to learn without a head, or in heads that are the base's own last matrix");
        }
    }

    DraftLayout draft() {
        return draft;
    }

    private void head(String name) {
        for (int j = 0; j < draft.residualLayers(); j++) {
            add(name + j + ".linear.weight", shape.hiddenSize(), shape.hiddenSize());
            add(name + j + ".linear.bias", shape.hiddenSize());
        }
        if (!draft.sharedLmHead()) {
            add(name + draft.residualLayers() + ".weight", shape.vocabSize(), shape.hiddenSize());
        }
    }

    private void layer() {
        int hidden = shape.hiddenSize();
        int queries = shape.attentionSize();
        int keys = shape.kvHeads() * shape.headDim();
        ofLayer("input_layernorm.weight", hidden);
        ofLayer("self_attn.q_proj.weight", queries, hidden);
        ofLayer("self_attn.k_proj.weight", keys, hidden);
        ofLayer("self_attn.v_proj.weight", keys, hidden);
        if (shape.has(AttentionPart.QKV_BIAS)) {
            ofLayer("self_attn.q_proj.bias", queries);
            ofLayer("self_attn.k_proj.bias", keys);
            ofLayer("self_attn.v_proj.bias", keys);
        }
        if (shape.has(AttentionPart.QK_NORM)) {
            ofLayer("self_attn.q_norm.weight", shape.headDim());
            ofLayer("self_attn.k_norm.weight", shape.headDim());
        }
        ofLayer("self_attn.o_proj.weight", hidden, queries);
        if (shape.has(AttentionPart.O_BIAS)) {
            ofLayer("self_attn.o_proj.bias", hidden);
        }
        ofLayer("post_attention_layernorm.weight", hidden);
        ofLayer("mlp.gate_proj.weight", shape.intermediateSize(), hidden);
        ofLayer("mlp.up_proj.weight", shape.intermediateSize(), hidden);
        ofLayer("mlp.down_proj.weight", hidden, shape.intermediateSize());
    }

    private void ofLayer(String name, int... size) {
        layerTensors.add(name);
        layerShapes.add(size);
    }

    private void add(String name, int... size) {
        parameters.add(new Parameter(name, size));
    }

    List<Parameter> parameters() {
        return List.copyOf(parameters);
    }

    /** Tensors of every layer. */
    int layerTensors() {
        return layerTensors.size();
    }

    /** The place of a tensor among a layer's. */
    int inLayer(String name) {
        int place = layerTensors.indexOf(name);
        if (place < 0) {
            throw new IllegalArgumentException("these layers have no " + name);
        }
        return place;
    }

    /** The place of what reads the next token, if the draft layers have it. */
    int nextToken() {
        return draft.forkedLayers() * layerTensors();
    }

    /** The place of the first head's first tensor among all. */
    int firstHead() {
        return firstHead;
    }

    /** Tensors of every head. */
    int headTensors() {
        return 2 * draft.residualLayers() + (draft.sharedLmHead() ? 0 : 1);
    }
}
