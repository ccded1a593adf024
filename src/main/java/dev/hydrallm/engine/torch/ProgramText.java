package dev.hydrallm.engine.torch;

import ai.djl.ndarray.types.DataType;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.SlidingWindow;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The TorchScript text of one model: the program of our resources with the model's numbers filled in. */
final class ProgramText {
    /** The class that the text defines. */
    static final String CLASS_NAME = "Hydra";

    /** Vectors that every layer has; those of its attention's further parts follow. */
    private static final int LAYER_NORMS = 2;

    /** A line that is one hole goes with it where nothing is filled in. */
    private static final Pattern HOLE = Pattern.compile("(?m)^@(\\w+)@\n|@(\\w+)@");

    private ProgramText() {}

    /**
     * The text of a model.
     *
     * @param device as TorchScript names it, {@code cpu} or {@code cuda:0}
     */
    static String of(
            Architecture model,
            DraftLayout draft,
            Arithmetic arithmetic,
            RmsNorm norm,
            ActivationRange range,
            String device) {
        return filled(resource("hydra.torchscript"), holes(model, draft, arithmetic, norm, range, device));
    }

    /**
     * The same with a further method that reads whole texts, for draft layers that learn.
     *
     * @param layersAfterTap layers of the base behind what draft layers read: all for its own normed states, or none
     */
    static String reading(
            Architecture model,
            DraftLayout draft,
            int layersAfterTap,
            Arithmetic arithmetic,
            RmsNorm norm,
            ActivationRange range,
            String device) {
        Map<String, Object> holes = holes(model, draft, arithmetic, norm, range, device);
        holes.put("layersAfterTap", layersAfterTap);
        return filled(resource("hydra.torchscript") + resource("reading.torchscript"), holes);
    }

    private static Map<String, Object> holes(
            Architecture model,
            DraftLayout draft,
            Arithmetic arithmetic,
            RmsNorm norm,
            ActivationRange range,
            String device) {
        int tapLayer = model.layers() - draft.forkedLayers();
        int layerVectors = LAYER_NORMS + model.attentionParts().size();
        int group = model.heads() / model.kvHeads();
        Map<String, Object> holes = new TreeMap<>();
        arithmetic(holes, arithmetic, range, group);
        holes.put("norms", resource(norm.resource()));
        holes.put("epsilon", model.normEpsilon());
        holes.put("device", device);
        holes.put("nextToken", draft.has(DraftPart.NEXT_TOKEN) ? NEXT_TOKEN : "");
        holes.put("draftLayers", draft.forkedLayers() > 0 ? FORKED_LAYERS : NO_FORKED_LAYERS);
        holes.put("hidden", model.hiddenSize());
        holes.put("heads", model.heads());
        holes.put("kvHeads", model.kvHeads());
        holes.put("group", group);
        holes.put("groupSize", group * model.headDim());
        holes.put("grouped", group > 1 ? "      padded = torch.repeat(padded, [" + group + ", 1])" : "");
        holes.put("kvPairs", 2 * model.kvHeads());
        holes.put("qkHeads", model.heads() + model.kvHeads());
        holes.put("headDim", model.headDim());
        holes.put("halfDim", model.headDim() / 2);
        holes.put("scoreScale", 1 / Math.sqrt(model.headDim()));
        holes.put("querySize", model.attentionSize());
        holes.put("qkvSize", model.qkvRows());
        holes.put("tapLayer", tapLayer);
        holes.put("layersAfterTap", draft.forkedLayers());
        // Before further layers overwrite it.
        holes.put("tapForked", draft.forkedLayers() > 0 ? TAP.formatted("x") : "");
        holes.put("tapNormed", draft.forkedLayers() > 0 ? "" : TAP.formatted("normed"));
        holes.put("layerVectors", layerVectors);
        holes.put("finalNorm", layerVectors * model.layers());
        holes.put("forkedLayers", draft.forkedLayers());
        holes.put("forkNorm", layerVectors * draft.forkedLayers());
        attentionParts(holes, model.attentionParts());
        slidingWindow(holes, model.slidingWindow(), tapLayer);
        holes.put("draftHeads", draft.heads());
        holes.put("moreResiduals", draft.residualLayers() - 1);
        return holes;
    }

    /** Texts that are filled in have holes, and those again. */
    static String filled(String text, Map<String, Object> holes) {
        return fill(fill(fill(text, holes), holes), holes);
    }

    private static void arithmetic(Map<String, Object> holes, Arithmetic arithmetic, ActivationRange range, int group) {
        holes.put("linears", resource(arithmetic.linears()));
        holes.put("attention", resource(arithmetic.attention()));
        holes.put("attend", group == 1 ? PLAIN_ATTENTION : GROUPED_ATTENTION);
        holes.put("attentionPrecision", arithmetic.maskType() == DataType.FLOAT64 ? IN_DOUBLE : "");
        // Where results have to be the same for any number of rows, a double's last bits hide the order of a sum.
        holes.put("sumType", scriptNumber(arithmetic == Arithmetic.GPU_INT8 ? DataType.FLOAT64 : DataType.FLOAT32));
        // Rows that are there for the device alone are never attended: what stands there must not be any number.
        holes.put("padding", arithmetic == Arithmetic.GPU_INT8 ? "zeros" : "empty");
        holes.put("attentionType", scriptNumber(arithmetic.maskType()));
        holes.put("linearType", scriptNumber(arithmetic.linearType()));
        holes.put("weight", arithmetic.scriptType());
        holes.put("fewestRows", Arithmetic.FEWEST_INT8_ROWS);
        holes.put("activationScale", range.scale());
        holes.put("activationZero", range.zeroPoint());
    }

    /** TorchScript's number of a type. */
    static int scriptNumber(DataType type) {
        return switch (type) {
            case FLOAT16 -> 5;
            case FLOAT32 -> 6;
            case FLOAT64 -> 7;
            default -> throw new IllegalArgumentException("the program does not compute in " + type);
        };
    }

    private static void attentionParts(Map<String, Object> holes, Set<AttentionPart> parts) {
        int place = LAYER_NORMS;
        for (AttentionPart part : AttentionPart.values()) {
            if (parts.contains(part)) {
                String vector = "norms[@layerVectors@ * i + " + place++ + "]";
                holes.put(part.name(), textOf(part).replace("$", vector));
            } else {
                holes.put(part.name(), "");
            }
        }
    }

    private static String textOf(AttentionPart part) {
        return switch (part) {
            case QKV_BIAS -> "    _2 = torch.add_(qkv, $)";
            case QK_NORM -> NORMED_HEADS;
            case O_BIAS -> "    _4 = torch.add_(x1, $)";
        };
    }

    private static void slidingWindow(Map<String, Object> holes, @Nullable SlidingWindow window, int tapLayer) {
        if (window == null) {
            for (String part : List.of("slidingWindow", "narrowed")) {
                holes.put(part, "");
            }
            for (String sight : List.of("sight", "sightAfterTap", "forkSight")) {
                holes.put(sight, "wide");
            }
        } else {
            holes.put("slidingWindow", resource("sliding-window.torchscript"));
            holes.put("window", window.length());
            holes.put("firstNarrowLayer", window.firstLayer());
            holes.put("narrowed", "    narrow = (self).narrow(wide, depths, starts)");
            holes.put("sight", "(self).sight(i, wide, narrow)");
            holes.put("sightAfterTap", "(self).sight(" + tapLayer + " + j, wide, narrow)");
            holes.put("forkSight", "(self).sight(" + tapLayer + " + i, wide, narrow)");
        }
    }

    private static String fill(String text, Map<String, Object> holes) {
        return HOLE.matcher(text).replaceAll(hole -> {
            boolean line = hole.group(1) != null;
            Object value = holes.get(line ? hole.group(1) : hole.group(2));
            if (value == null) {
                throw new IllegalStateException("the program text has an unknown hole " + hole.group());
            }
            String filled = value.toString();
            return Matcher.quoteReplacement(line && !filled.isEmpty() ? filled + "\n" : filled);
        });
    }

    static String resource(String name) {
        try (InputStream in = ProgramText.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("resource " + name + " is missing from this build");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static final String TAP = "    _0 = torch.copy_(torch.slice(tap, 0, 0, rows), torch.slice(%s, 0, 0, rows))";

    private static final String IN_DOUBLE =
            "  # Here in double precision, for the same reason as in the fused attention.";

    private static final String PLAIN_ATTENTION = """
                o = torch.scaled_dot_product_attention(q, torch.to(keys, 7), torch.to(values, 7), mask)
                return torch.to(torch.reshape(torch.transpose(o, 1, 2), [rows, @querySize@]), 6)
            """.stripTrailing();

    private static final String GROUPED_ATTENTION = """
                q1 = torch.reshape(q, [1, @kvHeads@, @group@ * rows, @headDim@])
                o = torch.scaled_dot_product_attention(q1, torch.to(keys, 7), torch.to(values, 7), mask)
                o1 = torch.reshape(o, [1, @heads@, rows, @headDim@])
                return torch.to(torch.reshape(torch.transpose(o1, 1, 2), [rows, @querySize@]), 6)
            """.stripTrailing();

    private static final String NEXT_TOKEN = """
                following = torch.to((self).embed(embedding, torch.slice(whole, 0, 2 * rows, 3 * rows)), @linearType@)
                x = (self).residual(x, following, nextToken)
            """.stripTrailing();

    private static final String FORKED_LAYERS = """
                keyValues = (self).readable(caches, starts, counts)
                fresh = (self).writable(caches, starts, counts)
                wide = (self).widen(masks, starts)
            @narrowed@
                factors = torch.unsqueeze(torch.index_select(table, 0, torch.slice(whole, 0, rows, 2 * rows)), 1)
                for i in range(@forkedLayers@):
                  x = (self).layer(x, i, weights, norms, keyValues, fresh, counts, @forkSight@, factors)
                x = (self).norm(torch.index_select(x, 0, last), norms[@forkNorm@], norms[-1])
            """.stripTrailing();

    private static final String NO_FORKED_LAYERS = "    x = torch.to(torch.index_select(x, 0, last), @linearType@)";

    /** In place, before the heads are turned. */
    private static final String NORMED_HEADS = """
                heads = torch.as_strided(qkv, [rows, @qkHeads@, @headDim@], [@qkvSize@, @headDim@, 1], 0)
                sizes = (self).magnitude(heads, norms[-2])
                _3 = torch.mul_(torch.div_(heads, sizes), $)
            """;
}
