package dev.hydrallm.cli;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.GroupSize;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.RopeScaling;
import dev.hydrallm.model.SlidingWindow;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "inspect",
        sortOptions = false,
        description = "Shows what a model is made of, after checking every byte of it.",
        footer = {"", "Example:  hydra inspect --model packed/ --tensors"})
final class InspectCommand implements Callable<Integer> {
    @Option(names = "--tensors", description = "List every tensor too.")
    boolean tensors;

    @Option(names = "--json", description = "Print the manifest and the groups' sizes as JSON instead.")
    boolean json;

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    @Override
    public Integer call() throws IOException {
        try (PackedModel pack = Models.check(modelOptions)) {
            if (json) {
                out.println(json(pack.manifest()));
            } else {
                describe(pack);
            }
            if (tensors) {
                pack.manifest()
                        .tensors()
                        .forEach(stored -> out.println(stored.name() + "  " + stored.dtype() + "  " + stored.shape()));
            }
        }
        out.flush();
        return 0;
    }

    /** The manifest, with the size of every group beside it. */
    private static String json(Manifest manifest) {
        JsonMapper mapper = JsonMapper.builder()
                .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                .build();
        ObjectNode json = mapper.valueToTree(manifest);
        ObjectNode sizes = json.putObject("sizes");
        for (GroupSize size : GroupSize.of(manifest)) {
            sizes.putObject(name(size.group()))
                    .put("format", size.format().toString())
                    .put("weights", size.weights())
                    .put("bytes", size.bytes())
                    .put("bits_per_weight", size.bitsPerWeight());
        }
        return json.toString();
    }

    private void describe(PackedModel pack) {
        Manifest manifest = pack.manifest();
        Architecture shape = pack.architecture();
        DraftTree tree = TextModel.treeOf(pack, Models.tree(modelOptions));
        line("model", manifest.name() + " (" + pack.directory() + ")");
        line("made of", String.join(", ", manifest.sources()));
        line(
                "base",
                String.format(
                        Locale.ROOT,
                        "%d layers, hidden %d, %d heads (%d for keys), vocabulary %,d, context %,d",
                        shape.layers(),
                        shape.hiddenSize(),
                        shape.heads(),
                        shape.kvHeads(),
                        shape.vocabSize(),
                        shape.contextLength()));
        line("attention", attention(shape));
        line("positions", positions(shape));
        line(
                "draft",
                pack.draft().heads() == 0 ? "no heads: it drafts what its own text foretells" : draft(pack.draft()));
        line(
                "draft tree",
                tree.nodes() + " nodes, depth " + tree.depth() + (manifest.tree() == null ? ", a default" : ""));
        String template = manifest.chatTemplate();
        line("template", template.contains("{") ? "Jinja, " + template.length() + " characters" : template);
        line("end tokens", manifest.eosIds().toString());
        out.println();
        out.print(sizes(manifest).text());
    }

    private static String draft(DraftLayout draft) {
        return draft.heads() + " heads on " + draft.forkedLayers() + " forked layers"
                + (draft.has(DraftPart.NEXT_TOKEN) ? " that read the next token, too" : "");
    }

    private static String attention(Architecture shape) {
        List<String> parts = new ArrayList<>();
        for (AttentionPart part : shape.attentionParts()) {
            parts.add(
                    switch (part) {
                        case QKV_BIAS -> "biases of query, key and value";
                        case QK_NORM -> "normed query and key heads";
                        case O_BIAS -> "a bias of the output";
                    });
        }
        SlidingWindow window = shape.slidingWindow();
        if (window != null) {
            String from = window.firstLayer() == 0 ? "" : " from layer " + window.firstLayer() + " on";
            parts.add(String.format(Locale.ROOT, "a window of %,d tokens%s", window.length(), from));
        }
        return parts.isEmpty() ? "plain" : String.join(", ", parts);
    }

    private static String positions(Architecture shape) {
        String base = String.format(Locale.ROOT, "rotary, base %,.0f", shape.ropeTheta());
        return switch (shape.ropeScaling()) {
            case null -> base;
            case RopeScaling.Linear(double factor) -> base + ", linear scaling by " + factor;
            case RopeScaling.Dynamic(double factor, int original) -> base + scaling("dynamic NTK", factor, original);
            case RopeScaling.Llama3(double factor, double low, double high, int original) ->
                base + scaling("llama3", factor, original);
            case RopeScaling.Yarn(double factor, double attention, double fast, double slow, int original) ->
                base + scaling("yarn", factor, original);
        };
    }

    private static String scaling(String kind, double factor, int original) {
        return String.format(Locale.ROOT, ", %s scaling by %s from %,d tokens", kind, factor, original);
    }

    private void line(String what, String value) {
        out.printf("%-11s %s%n", what, value);
    }

    private static Table sizes(Manifest manifest) {
        Table table = new Table("group", "format", "weights", "bits each", "MB");
        List<GroupSize> sizes = GroupSize.of(manifest);
        for (GroupSize size : sizes) {
            table.row(
                    name(size.group()).replace('_', ' '),
                    size.format().toString(),
                    String.format(Locale.ROOT, "%,d", size.weights()),
                    String.format(Locale.ROOT, "%.2f", size.bitsPerWeight()),
                    megabytes(size.bytes()));
        }
        long others = GroupSize.ofVectors(manifest);
        table.row(
                "norms, biases", "f32", String.format(Locale.ROOT, "%,d", others / Float.BYTES), "", megabytes(others));
        long all = others + sizes.stream().mapToLong(GroupSize::bytes).sum();
        return table.row("all", "", "", "", megabytes(all));
    }

    private static String name(TensorGroup group) {
        return group.name().toLowerCase(Locale.ROOT);
    }

    private static String megabytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f", bytes / 1e6);
    }
}
