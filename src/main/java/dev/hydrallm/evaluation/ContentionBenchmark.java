package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;

/** Decoding with different numbers of threads, on an idle machine and beside another process that is busy. */
public final class ContentionBenchmark {
    private final IntFunction<Engine> loader;
    private final List<int[]> prompts;
    private final Speculation speculation;
    private final int tokens;
    private final int repeats;

    /**
     * What one condition costs.
     *
     * @param neighbours busy processes beside this one, of one thread each
     * @param plainStep of one node
     * @param treeStep of the tree's nodes
     */
    public record Line(
            int threads,
            int neighbours,
            StepBenchmark.Line plainStep,
            StepBenchmark.Line treeStep,
            SpeedBenchmark.Line plain,
            SpeedBenchmark.Line speculative) {}

    /**
     * A benchmark that loads an engine for each number of threads and closes it.
     *
     * @param loader makes an engine that runs this many threads
     * @param tokens generated for each prompt, greedy
     */
    public ContentionBenchmark(
            IntFunction<Engine> loader, List<int[]> prompts, Speculation speculation, int tokens, int repeats) {
        this.loader = loader;
        this.prompts = prompts;
        this.speculation = speculation;
        this.tokens = tokens;
        this.repeats = repeats;
    }

    /** Measures each number of threads alone, then beside a neighbour; tells {@code done} how many are done. */
    public List<Line> run(int steps, List<Integer> threadCounts, IntConsumer done) {
        List<Line> lines = new ArrayList<>();
        for (int threads : threadCounts) {
            try (Engine engine = loader.apply(threads)) {
                lines.add(measure(engine, steps, threads, 0));
                done.accept(lines.size());
                try (BusyNeighbour neighbour = BusyNeighbour.start()) {
                    lines.add(measure(engine, steps, threads, 1));
                    if (!neighbour.running()) {
                        throw new IllegalStateException("the busy neighbour ended before the measurement did");
                    }
                }
                done.accept(lines.size());
            }
        }
        return lines;
    }

    private Line measure(Engine engine, int steps, int threads, int neighbours) {
        DraftTree tree = speculation.tree();
        int context = StepBenchmark.usualContext(engine);
        List<StepBenchmark.Line> costs = new StepBenchmark(engine, context, steps).run(tree, 1, tree.nodes());
        List<SpeedBenchmark.Line> speeds = new SpeedBenchmark(
                        engine, prompts, new AcceptanceRule.Greedy(), tokens, repeats)
                .run(List.of(speculation));
        return new Line(threads, neighbours, costs.getFirst(), costs.getLast(), speeds.getFirst(), speeds.getLast());
    }
}
