package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.decoding.TokenSink.Demand;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** Tokens per second of whole generations, for one tree after the other in turns, so that noise falls on all alike. */
public final class SpeedBenchmark {
    private final Engine engine;
    private final List<int[]> prompts;
    private final int tokens;
    private final int repeats;

    /**
     * One tree's result.
     *
     * @param nodes nodes of its tree; 1 is plain decoding
     * @param tokensPerSecond of decoding, prefill left out, by repeat
     * @param ratio to plain decoding within the same repeat
     * @param overhead share of wall time outside the device's programs, 0 to 1
     * @param sameIds whether every id is the one of plain decoding
     */
    public record Line(
            int nodes,
            Summary tokensPerSecond,
            Summary ratio,
            double tokensPerStep,
            double overhead,
            boolean sameIds) {}

    /**
     * A benchmark on one engine; uses its slot 0.
     *
     * @param tokens generated for each prompt, greedy, never ended by the model
     */
    public SpeedBenchmark(Engine engine, List<int[]> prompts, int tokens, int repeats) {
        this.engine = engine;
        this.prompts = prompts;
        this.tokens = tokens;
        this.repeats = repeats;
    }

    /** Measures plain decoding first, then each tree. */
    public List<Line> run(List<DraftTree> trees) {
        List<DraftTree> all = new ArrayList<>(List.of(DraftTree.ROOT_ONLY));
        all.addAll(trees);
        double[][] speed = new double[all.size()][repeats];
        double[] tokensPerStep = new double[all.size()];
        double[] overhead = new double[all.size()];
        boolean[] sameIds = new boolean[all.size()];
        List<int[]> plain = List.of();
        for (int repeat = -1; repeat < repeats; repeat++) {
            for (int t = 0; t < all.size(); t++) {
                Pass pass = pass(all.get(t));
                if (repeat >= 0) {
                    speed[t][repeat] = pass.tokens() * 1e9 / pass.nanos;
                    tokensPerStep[t] = (double) pass.tokens() / pass.steps;
                    overhead[t] += (1 - (double) pass.busy / pass.nanos) / repeats;
                } else {
                    plain = t == 0 ? pass.outputs : plain;
                    sameIds[t] = Arrays.deepEquals(pass.outputs.toArray(), plain.toArray());
                }
            }
        }
        List<Line> lines = new ArrayList<>();
        for (int t = 0; t < all.size(); t++) {
            double[] ratio = new double[repeats];
            for (int repeat = 0; repeat < repeats; repeat++) {
                ratio[repeat] = speed[t][repeat] / speed[0][repeat];
            }
            lines.add(new Line(
                    all.get(t).nodes(),
                    Summary.of(speed[t]),
                    Summary.of(ratio),
                    tokensPerStep[t],
                    overhead[t],
                    sameIds[t]));
        }
        return lines;
    }

    private record Pass(List<int[]> outputs, int steps, long nanos, long busy) {
        Pass plus(Pass other) {
            List<int[]> both = new ArrayList<>(outputs);
            both.addAll(other.outputs);
            return new Pass(both, steps + other.steps, nanos + other.nanos, busy + other.busy);
        }

        int tokens() {
            return outputs.stream().mapToInt(output -> output.length).sum();
        }
    }

    private Pass pass(DraftTree tree) {
        Pass sum = new Pass(List.of(), 0, 0, 0);
        for (int[] prompt : prompts) {
            sum = sum.plus(generate(engine, tree, prompt, new StopRules(Set.of(), tokens, StopRules.UNLIMITED)));
        }
        return sum;
    }

    private static Pass generate(Engine engine, DraftTree tree, int[] prompt, StopRules stops) {
        SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
        Sequence sequence = new Sequence(
                new KvSlots(1).acquire(prompt, tree),
                prompt,
                tree,
                new AcceptanceRule.Greedy(),
                stops,
                (token, origin) -> Demand.MORE);
        decoder.prefill(sequence);
        long busy = engine.busyNanos();
        long start = System.nanoTime();
        while (sequence.finished().isEmpty()) {
            decoder.step(List.of(sequence));
        }
        long nanos = System.nanoTime() - start;
        int steps = sequence.statistics().steps();
        return new Pass(List.of(sequence.output()), steps, nanos, engine.busyNanos() - busy);
    }

    /** Runs at most {@code most} steps over the prompts in turn and says how many it ran. */
    static int steps(Engine engine, DraftTree tree, List<int[]> prompts, int most) {
        int done = 0;
        for (int[] prompt : prompts) {
            if (done < most) {
                done += generate(engine, tree, prompt, new StopRules(Set.of(), StopRules.UNLIMITED, most - done))
                        .steps();
            }
        }
        return done;
    }

    /** A tree's first 2, 4, 8, … nodes and the whole of it. */
    public static List<DraftTree> prefixes(DraftTree tree, int... nodeCounts) {
        return Arrays.stream(nodeCounts)
                .map(nodes -> Math.min(nodes, tree.nodes()))
                .distinct()
                .filter(nodes -> nodes > 1)
                .mapToObj(tree::first)
                .toList();
    }
}
