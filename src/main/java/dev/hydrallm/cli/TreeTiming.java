package dev.hydrallm.cli;

import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.evaluation.SpeedBenchmark;
import java.util.ArrayList;
import java.util.List;

/** Times ways of drafting, in turns with plain decoding and with each other. */
record TreeTiming(SpeedBenchmark benchmark) {

    /** A way of drafting and what it is to the search. */
    record Timed(String name, TreeReport.Role role, Speculation speculation) {
        /** As the program drafts a pack's own tree: what pays of what the text foretells and of the tree's nodes. */
        static Timed asUsual(DraftTree tree, TreeReport.Role role) {
            return new Timed("grown, or of the text, what pays", role, Speculation.adaptive(tree));
        }

        /** Of a tree's nodes those that pay, and nothing else. */
        static Timed ofHeads(DraftTree tree, TreeReport.Role role) {
            return new Timed("grown, what pays", role, new Speculation(tree, Speculation.Extent.HEADS));
        }

        /** All of a tree at every step. */
        static Timed whole(String name, TreeReport.Role role, DraftTree tree) {
            return new Timed(name, role, Speculation.whole(tree));
        }
    }

    /** Plain decoding, then each tree, in passes of their own. */
    List<TreeReport.Line> run(String what, List<Timed> trees) {
        Progress progress = new Progress(what);
        int all = benchmark.passes(trees.size());
        List<SpeedBenchmark.Line> speeds = benchmark.run(
                trees.stream().map(Timed::speculation).toList(), done -> progress.count(done, all, "passes"));
        List<TreeReport.Line> lines = new ArrayList<>();
        lines.add(TreeReport.Line.of("plain", TreeReport.Role.PLAIN, 0, speeds.getFirst()));
        for (int i = 0; i < trees.size(); i++) {
            Timed each = trees.get(i);
            lines.add(TreeReport.Line.of(
                    each.name, each.role, each.speculation.tree().depth(), speeds.get(1 + i)));
        }
        return lines;
    }
}
