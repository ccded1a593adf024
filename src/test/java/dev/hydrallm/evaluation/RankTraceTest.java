package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.FakeEngine;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.decoding.Statistics;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.decoding.TokenSink.Demand;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.ModelEngine;
import dev.hydrallm.model.PackedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/** What a trace says of a tree is what decoding with that tree does. */
class RankTraceTest {
    private static final int WIDTH = 3;
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();

    /** A random tree that asks for {@value #WIDTH} guesses. */
    private static DraftTree tree(Random random, int nodes, int depth) {
        List<List<Integer>> paths = new ArrayList<>(List.of(List.of(WIDTH - 1)));
        for (int attempt = 0; paths.size() < nodes && attempt < 20 * nodes; attempt++) {
            int pick = random.nextInt(paths.size() + 1);
            List<Integer> path = new ArrayList<>(pick == 0 ? List.of() : paths.get(pick - 1));
            path.add(random.nextInt(WIDTH));
            if (path.size() <= depth && !paths.contains(path)) {
                paths.add(path);
            }
        }
        return DraftTree.of(paths);
    }

    private static Statistics decode(
            Engine engine, DraftTree tree, AcceptanceRule rule, int[] prompt, Set<Integer> ends, int tokens) {
        Sequence sequence = new Sequence(
                new KvSlots(1).acquire(prompt, tree),
                prompt,
                Speculation.whole(tree),
                rule,
                new StopRules(ends, tokens, StopRules.UNLIMITED),
                (token, origin) -> Demand.MORE);
        SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
        decoder.prefill(sequence);
        while (sequence.finished().isEmpty()) {
            decoder.step(List.of(sequence));
        }
        return sequence.statistics();
    }

    @Property(tries = 300)
    void anyTreeTakesTheStepsThatATraceOfPlainDecodingTells(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 4) int heads,
            @ForAll @IntRange(min = 1, max = 12) int nodes,
            @ForAll @IntRange(min = 1, max = 40) int tokens,
            @ForAll boolean sampled) {
        int[] prompt = {(int) (seed & 7), 3};
        AcceptanceRule rule = sampled ? new AcceptanceRule.Sampled(1, 0, 1, 0, seed) : GREEDY;
        Set<Integer> ends = Set.of(5);
        DraftTree tree = tree(new Random(seed), nodes, heads);
        RankTrace trace = RankTrace.of(new FakeEngine(1, 60, heads, 16), prompt, rule, ends, tokens, WIDTH);
        Statistics decoded = decode(new FakeEngine(1, 60, heads, 16), tree, rule, prompt, ends, tokens);
        assertThat(trace.tokens()).isEqualTo(decoded.generatedTokens());
        assertThat(trace.steps(tree)).isEqualTo(decoded.steps());
        assertThat(RankTrace.tokensPerStep(List.of(trace, trace), tree)).isEqualTo(decoded.tokensPerStep());
        assertThat(trace.steps(DraftTree.ROOT_ONLY)).isEqualTo(trace.tokens());
    }

    @Test
    void theDemoTakesTheStepsThatItsTraceTells() {
        int[] prompt = {1, 328, 289, 631, 567, 3968, 17};
        try (PackedModel pack = PackedModel.open(Path.of("models", "demo"));
                Engine engine = ModelEngine.load(pack, EngineOptions.DEFAULT)) {
            for (AcceptanceRule rule : List.of(GREEDY, new AcceptanceRule.Sampled(0.7, 0, 1, 0, 11))) {
                RankTrace trace = RankTrace.of(engine, prompt, rule, Set.of(), 96, 10);
                for (List<List<Integer>> paths : List.of(
                        List.of(List.of(0)),
                        List.of(List.of(0), List.of(1), List.of(2)),
                        List.of(List.of(0), List.of(0, 0), List.of(1), List.of(0, 1), List.of(0, 0, 0)))) {
                    DraftTree tree = DraftTree.of(paths);
                    assertThat(trace.steps(tree))
                            .isEqualTo(decode(engine, tree, rule, prompt, Set.of(), 96)
                                    .steps())
                            .isLessThan(96);
                }
            }
        }
    }

    @Test
    void aRuleWhoseTextDependsOnTheTreeIsRefused() {
        assertThatThrownBy(() -> RankTrace.of(
                        new FakeEngine(1, 60, 2, 16),
                        new int[] {1},
                        new AcceptanceRule.Typical(0.7, 0.09, 0.3),
                        Set.of(),
                        8,
                        WIDTH))
                .hasMessageContaining("depend on the tree");
    }
}
