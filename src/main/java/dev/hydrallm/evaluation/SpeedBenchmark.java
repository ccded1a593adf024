package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.decoding.TokenSink.Demand;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.stream.Stream;

/** Tokens per second of whole generations, one way of drafting after the other in turns, so that noise falls on all. */
public final class SpeedBenchmark {
    private final Engine engine;
    private final List<int[]> prompts;
    private final AcceptanceRule rule;
    private final int tokens;
    private final int repeats;

    /**
     * One result.
     *
     * @param nodes nodes of the whole tree; 1 asks no head
     * @param extent what of it, or else, its steps drafted
     * @param speeds tokens per second of decoding, prefill left out, of each repeat: those of all ways in one repeat belong together
     * @param tokensPerSecond the same summed up
     * @param ratio to plain decoding within the same repeat
     * @param overhead share of wall time outside the device's programs, 0 to 1
     * @param sameIds whether every id is the one of plain decoding
     */
    public record Line(
            int nodes,
            Speculation.Extent extent,
            List<Double> speeds,
            Summary tokensPerSecond,
            Summary ratio,
            double tokensPerStep,
            double overhead,
            boolean sameIds) {

        /** Nodes of its trees, in words. */
        public String tree() {
            return switch (extent) {
                case WHOLE -> nodes == 1 ? "1 (plain)" : String.valueOf(nodes);
                case HEADS -> "up to " + nodes;
                case ADAPTIVE -> nodes == 1 ? "of the text" : "up to " + nodes + ", or of the text";
            };
        }
    }

    /**
     * A benchmark on one engine; uses its slot 0.
     *
     * @param tokens generated for each prompt, never ended by the model
     */
    public SpeedBenchmark(Engine engine, List<int[]> prompts, AcceptanceRule rule, int tokens, int repeats) {
        this.engine = engine;
        this.prompts = prompts;
        this.rule = rule;
        this.tokens = tokens;
        this.repeats = repeats;
    }

    /** Measures plain decoding first, then each way of drafting. */
    public List<Line> run(List<Speculation> ways) {
        return run(ways, done -> {});
    }

    /** The same; tells {@code done} how many of {@link #passes} are over. */
    public List<Line> run(List<Speculation> ways, IntConsumer done) {
        int passes = 0;
        List<Way> all = Stream.concat(Stream.of(Speculation.NONE), ways.stream())
                .map(Way::new)
                .toList();
        for (int repeat = -1; repeat < repeats; repeat++) {
            for (Way way : all) {
                Pass pass = way.pass();
                if (repeat < 0) {
                    way.outputs = pass.outputs;
                } else {
                    way.measured.add(pass);
                }
                done.accept(++passes);
            }
        }
        return all.stream().map(way -> way.line(all.getFirst())).toList();
    }

    /** How often all prompts are answered for so many ways of drafting. */
    public int passes(int ways) {
        return (1 + ways) * (1 + repeats);
    }

    /** One way of drafting, with a decoder of its own that learns what its steps cost, like a server's. */
    private final class Way {
        private final Speculation speculation;
        private final SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
        private final List<Pass> measured = new ArrayList<>();
        private List<int[]> outputs = List.of();

        Way(Speculation speculation) {
            this.speculation = speculation;
        }

        Pass pass() {
            StopRules stops = new StopRules(Set.of(), tokens, StopRules.UNLIMITED);
            return prompts.stream()
                    .map(prompt -> generate(engine, decoder, speculation, rule, prompt, stops))
                    .reduce(Pass.NONE, Pass::plus);
        }

        Line line(Way plain) {
            double[] speeds = measured.stream().mapToDouble(Pass::speed).toArray();
            double[] ratios = new double[speeds.length];
            Arrays.setAll(ratios, i -> speeds[i] / plain.measured.get(i).speed());
            Pass all = measured.stream().reduce(Pass.NONE, Pass::plus);
            return new Line(
                    speculation.tree().nodes(),
                    speculation.extent(),
                    Arrays.stream(speeds).boxed().toList(),
                    Summary.of(speeds),
                    Summary.of(ratios),
                    (double) all.tokens() / all.steps,
                    1 - (double) all.busy / all.nanos,
                    Arrays.deepEquals(outputs.toArray(), plain.outputs.toArray()));
        }
    }

    private record Pass(List<int[]> outputs, int steps, long nanos, long busy) {
        static final Pass NONE = new Pass(List.of(), 0, 0, 0);

        Pass plus(Pass other) {
            List<int[]> both = new ArrayList<>(outputs);
            both.addAll(other.outputs);
            return new Pass(both, steps + other.steps, nanos + other.nanos, busy + other.busy);
        }

        int tokens() {
            return outputs.stream().mapToInt(output -> output.length).sum();
        }

        double speed() {
            return tokens() * 1e9 / nanos;
        }
    }

    private static Pass generate(
            Engine engine,
            SpeculativeDecoder decoder,
            Speculation speculation,
            AcceptanceRule rule,
            int[] prompt,
            StopRules stops) {
        Sequence sequence = new Sequence(
                new KvSlots(1).acquire(prompt, speculation.tree()),
                prompt,
                speculation,
                rule,
                stops,
                (token, origin) -> Demand.MORE);
        decoder.prefill(sequence);
        long busy = engine.busyNanos();
        long start = System.nanoTime();
        while (sequence.finished().isEmpty()) {
            decoder.step(List.of(sequence));
        }
        sequence.failure().ifPresent(failure -> {
            throw failure;
        });
        long nanos = System.nanoTime() - start;
        int steps = sequence.statistics().steps();
        return new Pass(List.of(sequence.output()), steps, nanos, engine.busyNanos() - busy);
    }

    /** Runs at most {@code most} greedy steps over the prompts in turn and says how many it ran. */
    static int steps(Engine engine, Speculation speculation, List<int[]> prompts, int most) {
        SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
        int done = 0;
        for (int[] prompt : prompts) {
            if (done < most) {
                StopRules stops = new StopRules(Set.of(), StopRules.UNLIMITED, most - done);
                done += generate(engine, decoder, speculation, new AcceptanceRule.Greedy(), prompt, stops)
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
