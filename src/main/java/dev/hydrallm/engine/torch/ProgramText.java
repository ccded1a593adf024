package dev.hydrallm.engine.torch;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The TorchScript text of one model: the program of our resources with the model's numbers filled in. */
final class ProgramText {
    /** The class that the text defines. */
    static final String CLASS_NAME = "Hydra";

    private static final Pattern HOLE = Pattern.compile("@(\\w+)@");

    private ProgramText() {}

    static String of(Architecture model, DraftLayout draft, LinearKind linears, ActivationRange range) {
        boolean forked = draft.forkedLayers() > 0;
        int tapLayer = model.layers() - draft.forkedLayers();
        Map<String, Object> holes = new TreeMap<>();
        holes.put("linears", resource(linears.resource()));
        holes.put("weight", linears.scriptType());
        holes.put("attention", model.heads() == model.kvHeads() ? PLAIN_ATTENTION : GROUPED_ATTENTION);
        holes.put("draftLayers", forked ? FORKED_LAYERS : NO_FORKED_LAYERS);
        holes.put("hidden", model.hiddenSize());
        holes.put("heads", model.heads());
        holes.put("kvHeads", model.kvHeads());
        holes.put("group", model.heads() / model.kvHeads());
        holes.put("kvPairs", 2 * model.kvHeads());
        holes.put("qkHeads", model.heads() + model.kvHeads());
        holes.put("headDim", model.headDim());
        holes.put("halfDim", model.headDim() / 2);
        holes.put("querySize", model.attentionSize());
        holes.put("qkvSize", model.qkvRows());
        holes.put("tapLayer", tapLayer);
        holes.put("layersAfterTap", draft.forkedLayers());
        holes.put("tapped", forked ? "x" : "normed");
        holes.put("finalNorm", 2 * model.layers());
        holes.put("forkedLayers", draft.forkedLayers());
        holes.put("forkNorm", 2 * draft.forkedLayers());
        holes.put("draftHeads", draft.heads());
        holes.put("moreResiduals", draft.residualLayers() - 1);
        holes.put("activationScale", range.scale());
        holes.put("activationZero", range.zeroPoint());
        return fill(fill(resource("hydra.torchscript"), holes), holes);
    }

    private static String fill(String text, Map<String, Object> holes) {
        return HOLE.matcher(text).replaceAll(hole -> {
            Object value = holes.get(hole.group(1));
            if (value == null) {
                throw new IllegalStateException("the program text has an unknown hole " + hole.group());
            }
            return Matcher.quoteReplacement(value.toString());
        });
    }

    private static String resource(String name) {
        try (InputStream in = ProgramText.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("resource " + name + " is missing from this build");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static final String PLAIN_ATTENTION = """
                o = torch.scaled_dot_product_attention(q, torch.to(keys, 7), torch.to(values, 7), mask)
                return torch.to(torch.reshape(torch.transpose(o, 1, 2), [rows, @querySize@]), 6)
            """;

    /** Query heads of one group stand below each other as rows of their key head: no key is repeated. */
    private static final String GROUPED_ATTENTION = """
                q1 = torch.reshape(q, [1, @kvHeads@, @group@ * rows, @headDim@])
                o = torch.scaled_dot_product_attention(q1, torch.to(keys, 7), torch.to(values, 7), torch.repeat(mask, [1, 1, @group@, 1]))
                o1 = torch.reshape(o, [1, @heads@, rows, @headDim@])
                return torch.to(torch.reshape(torch.transpose(o1, 1, 2), [rows, @querySize@]), 6)
            """;

    private static final String FORKED_LAYERS = """
                keyValues = (self).readable(caches, starts, counts)
                fresh = (self).writable(caches, starts, counts)
                wide = (self).widen(masks, starts)
                factors = (self).rotary(table, depths, starts)
                for i in range(@forkedLayers@):
                  x = (self).layer(x, i, weights, norms, keyValues, fresh, counts, wide, factors)
                x = (self).norm(torch.index_select(x, 0, torch.tensor(last)), norms[@forkNorm@], norms[-1])
            """;

    private static final String NO_FORKED_LAYERS = "    x = torch.index_select(x, 0, torch.tensor(last))\n";
}
