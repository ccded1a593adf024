package dev.hydrallm.cli;

import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.evaluation.PathRates;
import dev.hydrallm.evaluation.RankTrace;
import dev.hydrallm.evaluation.TreeDrawing;
import dev.hydrallm.model.PackedModel;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Where a grown tree goes. */
final class TreeOutputs {
    @Option(names = "--svg", paramLabel = "FILE", description = "Draw the tree.")
    @Nullable
    Path svg;

    @Option(names = "--output", paramLabel = "FILE", description = "Write the tree as JSON, for --tree.")
    @Nullable
    Path output;

    @Option(names = "--write", description = "Make it the pack's own tree.")
    boolean write;

    /** Says what is wrong with the places before anything is measured. */
    void prepare(ModelOptions options) throws IOException {
        Outputs.prepare(svg);
        Outputs.prepare(output);
        if (write && options.model != null && !PackedModel.isPack(options.model)) {
            throw new IllegalArgumentException(
                    options.model + " is no packed model, and --write changes one: make it with hydra pack first");
        }
    }

    /** Likewise, of the pack. */
    void check(PackedModel pack) throws IOException {
        if (write && !Files.isWritable(pack.directory())) {
            throw new AccessDeniedException(pack.directory().toString());
        }
    }

    /** Puts the tree where the options say. */
    void keep(PackedModel pack, TreeReport report, List<RankTrace> traces, int ranks) throws IOException {
        if (svg != null) {
            DraftTree tree = DraftTree.of(report.paths());
            PathRates rates = PathRates.over(
                    traces, new HashSet<>(tree.paths()), pack.draft().heads(), ranks);
            Outputs.write(
                    svg,
                    TreeDrawing.svg(
                            tree,
                            path -> (double) rates.accepted(path) / rates.steps(),
                            "Draft tree of " + report.model(),
                            String.format(
                                    "%d nodes, %s tokens per step over %d steps",
                                    tree.nodes(), Table.number(report.tokensPerStep(), 2), rates.steps())));
        }
        if (output != null) {
            Outputs.write(output, report.paths().toString().replace(" ", "") + "\n");
        }
        if (write) {
            pack.manifest().withTree(report.paths()).replace(pack.directory());
            System.err.println("hydra: " + pack.directory() + " has this tree now");
        }
    }
}
