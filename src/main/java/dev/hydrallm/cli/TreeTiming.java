package dev.hydrallm.cli;

import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.evaluation.SpeedBenchmark;
import java.util.ArrayList;
import java.util.List;

/** Times draft trees, always whole, in turns with plain decoding and with each other. */
record TreeTiming(SpeedBenchmark benchmark) {

    /** A tree and what it is to the search. */
    record Timed(String name, TreeReport.Role role, DraftTree tree) {}

    /** Plain decoding, then each tree, in passes of their own. */
    List<TreeReport.Line> run(String what, List<Timed> trees) {
        Progress progress = new Progress(what);
        int all = benchmark.passes(trees.size());
        List<SpeedBenchmark.Line> speeds = benchmark.run(
                trees.stream().map(each -> Speculation.whole(each.tree)).toList(),
                done -> progress.count(done, all, "passes"));
        List<TreeReport.Line> lines = new ArrayList<>();
        lines.add(TreeReport.Line.of("plain", TreeReport.Role.PLAIN, 0, speeds.getFirst()));
        for (int i = 0; i < trees.size(); i++) {
            Timed each = trees.get(i);
            lines.add(TreeReport.Line.of(each.name, each.role, each.tree.depth(), speeds.get(1 + i)));
        }
        return lines;
    }
}
