package dev.hydrallm.engine.torch;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.SlidingWindow;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The TorchScript text of what learns: our resource with a model's numbers filled in. */
final class LearningText {
    /** The class that the text defines. */
    static final String CLASS_NAME = "Learning";

    private LearningText() {}

    /**
     * The text of draft layers and heads.
     *
     * @param device as TorchScript names it, {@code cpu} or {@code cuda:0}
     */
    static String of(Architecture model, LearningLayout layout, LearnerOptions options, String device) {
        DraftLayout draft = layout.draft();
        Map<String, Object> holes = new TreeMap<>();
        int group = model.heads() / model.kvHeads();
        holes.put("hidden", model.hiddenSize());
        holes.put("vocabulary", model.vocabSize());
        holes.put("heads", model.heads());
        holes.put("kvHeads", model.kvHeads());
        holes.put("group", group);
        holes.put("headDim", model.headDim());
        holes.put("attentionSize", model.attentionSize());
        holes.put("epsilon", model.normEpsilon());
        holes.put("compute", options.precision().product());
        holes.put("sum", options.precision().sum());
        holes.put("device", device);
        holes.put("spread", group == 1 ? "" : SPREAD);
        layer(holes, model, layout);
        window(holes, model.slidingWindow(), model.layers() - draft.forkedLayers());
        boolean forked = draft.forkedLayers() > 0;
        holes.put("trunk", forked ? TRUNK : "");
        holes.put("forkedLayers", draft.forkedLayers());
        holes.put("forkNorm", layout.firstHead() - 1);
        boolean nextToken = draft.has(DraftPart.NEXT_TOKEN);
        holes.put("nextToken", nextToken ? NEXT_TOKEN : "");
        holes.put("nextTokenMatrix", layout.nextToken());
        boolean trunk = layout.firstHead() > 0;
        holes.put("stateGradient", trunk ? STATE_GRADIENT : "");
        holes.put("trunkGradients", trunk ? TRUNK_GRADIENTS : "");
        heads(holes, draft, layout);
        distillation(holes, options);
        return ProgramText.filled(ProgramText.resource("learning.torchscript"), holes);
    }

    private static void layer(Map<String, Object> holes, Architecture model, LearningLayout layout) {
        holes.put("layerTensors", layout.layerTensors());
        holes.put("attentionNorm", layout.inLayer("input_layernorm.weight"));
        holes.put("q", layout.inLayer("self_attn.q_proj.weight"));
        holes.put("k", layout.inLayer("self_attn.k_proj.weight"));
        holes.put("v", layout.inLayer("self_attn.v_proj.weight"));
        holes.put("o", layout.inLayer("self_attn.o_proj.weight"));
        holes.put("mlpNorm", layout.inLayer("post_attention_layernorm.weight"));
        holes.put("gate", layout.inLayer("mlp.gate_proj.weight"));
        holes.put("up", layout.inLayer("mlp.up_proj.weight"));
        holes.put("down", layout.inLayer("mlp.down_proj.weight"));
        for (String projection : new String[] {"q", "k", "v", "o"}) {
            boolean biased = model.has(projection.equals("o") ? AttentionPart.O_BIAS : AttentionPart.QKV_BIAS);
            holes.put(
                    projection + "Bias",
                    biased ? ", w[at + " + layout.inLayer("self_attn." + projection + "_proj.bias") + "]" : "");
        }
        holes.put(
                "headNorms",
                model.has(AttentionPart.QK_NORM)
                        ? HEAD_NORMS.formatted(
                                layout.inLayer("self_attn.q_norm.weight"), layout.inLayer("self_attn.k_norm.weight"))
                        : "");
    }

    private static void window(Map<String, Object> holes, @Nullable SlidingWindow window, int tapLayer) {
        if (window == null) {
            holes.put("attend", SEES_ALL.indent(6).stripTrailing());
        } else {
            holes.put("attend", SEES_NEAR);
            holes.put("attendAll", SEES_ALL);
            holes.put("window", window.length());
            holes.put("firstNarrowLayer", window.firstLayer() - tapLayer);
        }
    }

    private static void heads(Map<String, Object> holes, DraftLayout draft, LearningLayout layout) {
        boolean trunk = layout.firstHead() > 0;
        boolean blocks = draft.residualLayers() > 0;
        holes.put("draftHeads", draft.heads());
        holes.put("blocks", draft.residualLayers());
        holes.put("blockTensors", 2 * draft.residualLayers());
        holes.put("firstHead", layout.firstHead());
        holes.put("headTensors", layout.headTensors());
        holes.put("lmHead", draft.sharedLmHead() ? "base" : "torch.detach(w[first + @blockTensors@])");
        holes.put("ownLmHead", draft.sharedLmHead() ? "" : OWN_LM_HEAD);
        String gradients = trunk ? BLOCK_AND_STATE_GRADIENTS : BLOCK_GRADIENTS;
        holes.put("headGradients", blocks ? gradients : trunk ? STATE_GRADIENT_ALONE : "");
    }

    private static void distillation(Map<String, Object> holes, LearnerOptions options) {
        boolean distills = options.distills();
        holes.put("forwardArguments", distills ? ", finals: Tensor" : "");
        holes.put("scoreArguments", distills ? ", finals: Tensor, sources: Tensor, baseHead: Tensor" : "");
        holes.put("score", distills ? ", finals, torch.add(places, 1 + k), base" : "");
        holes.put("distilled", distills ? DISTILLED : "");
        holes.put("distillation", options.distillationWeight());
    }

    private static final String SPREAD = """
                  ks = (self).spread(ks, count, length)
                  vs = (self).spread(vs, count, length)
            """.stripTrailing();

    private static final String SEES_ALL = "o = torch.scaled_dot_product_attention(qs, ks, vs, None, 0., True)";

    private static final String SEES_NEAR = """
                  if torch.__and__(torch.ge(i, @firstNarrowLayer@), torch.gt(length, @window@)):
                    rows = torch.arange(length, device=torch.device("@device@"))
                    distances = torch.sub(torch.unsqueeze(rows, 1), torch.unsqueeze(rows, 0))
                    seen = torch.logical_and(torch.ge(distances, 0), torch.lt(distances, @window@))
                    o = torch.scaled_dot_product_attention(qs, ks, vs, seen)
                  else:
                    @attendAll@
            """.stripTrailing();

    private static final String HEAD_NORMS = """
                q = torch.rms_norm(q, [@headDim@], w[at + %d], @epsilon@)
                k = torch.rms_norm(k, [@headDim@], w[at + %d], @epsilon@)
            """.stripTrailing();

    private static final String NEXT_TOKEN = """
                following = torch.to(torch.embedding(embedding, next), @compute@)
                x = torch.add(x, torch.linear(following, w[@nextTokenMatrix@]))
            """.stripTrailing();

    private static final String TRUNK = """
                positions = annotate(List[Tensor], [])
                for s in range(torch.len(segments) // 2):
                  ascending = torch.arange(segments[2 * s + 1], device=torch.device("@device@"))
                  _0 = torch.append(positions, torch.repeat(ascending, [segments[2 * s]]))
                turns = torch.unsqueeze(torch.index_select(table, 0, torch.cat(positions, 0)), 1)
                cos = torch.select(turns, -1, 0)
                sin = torch.select(turns, -1, 1)
                for i in range(@forkedLayers@):
                  x = (self).layer(x, i, w, cos, sin, segments)
                x = (self).norm(x, w[@forkNorm@])
            """.stripTrailing();

    private static final String STATE_GRADIENT = """
                if learns:
                  _7 = torch.append(dx, torch.zeros_like(torch.detach(x), dtype=@sum@))
            """.stripTrailing();

    private static final String TRUNK_GRADIENTS = """
                if learns:
                  trunkLeaves = torch.slice(w, 0, @firstHead@)
                  _8 = (self).add(gradients, 0, torch.grad([x], trunkLeaves, annotate(List[Optional[Tensor]], [torch.to(dx[0], @compute@)])), 0)
            """.stripTrailing();

    private static final String OWN_LM_HEAD =
            "          _4 = torch.append(gradient, gradients[first + @blockTensors@])";

    private static final String BLOCK_GRADIENTS = """
                    if learns:
                      leaves = torch.slice(w, first, first + @blockTensors@)
                      _5 = (self).add(gradients, first, torch.grad([z], leaves, annotate(List[Optional[Tensor]], [dz[0]])), 0)
            """.stripTrailing();

    private static final String BLOCK_AND_STATE_GRADIENTS = """
                    if learns:
                      leaves = torch.add([read], torch.slice(w, first, first + @blockTensors@))
                      found = torch.grad([z], leaves, annotate(List[Optional[Tensor]], [dz[0]]))
                      _5 = (self).add(gradients, first, found, 1)
                      _6 = torch.index_add_(dx[0], 0, places, torch.to(unchecked_cast(Tensor, found[0]), @sum@))
            """.stripTrailing();

    private static final String STATE_GRADIENT_ALONE = """
                    if learns:
                      _6 = torch.index_add_(dx[0], 0, places, torch.to(dz[0], @sum@))
            """.stripTrailing();

    /** Adds weight * KL(base || head) by its gradient, the difference of both distributions. */
    private static final String DISTILLED = """
                    theirRows = torch.index_select(finals, 0, torch.slice(sources, 0, begin, end))
                    theirs = torch.softmax(torch.to(torch.linear(torch.to(theirRows, @compute@), baseHead), @sum@), -1)
                    _5 = torch.sub_(torch.mul_(p, 1. + @distillation@), torch.mul_(theirs, @distillation@))
            """.stripTrailing();
}
