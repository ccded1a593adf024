package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Requests of every kind that run together on the demo model, against each alone and with another tree. */
class BatchIndependenceTest {
    private static final DraftTree TREE =
            DraftTree.of(NamedTrees.byName("mc_sim_7b_63_depth3").orElseThrow());
    private static final List<DraftTree> TREES =
            List.of(TREE.first(8), DraftTree.ROOT_ONLY, TREE.first(3), TREE.first(12), TREE.first(5));
    private static final List<AcceptanceRule> RULES = List.of(
            new AcceptanceRule.Greedy(),
            new AcceptanceRule.Sampled(0.8, 0, 1, 0, 11),
            new AcceptanceRule.Sampled(1.1, 40, 0.95, 0.02, 12),
            new AcceptanceRule.Greedy(),
            new AcceptanceRule.Sampled(0.7, 0, 0.9, 0, 13));

    private static int[] prompt(int i) {
        return new Random(i).ints(5 + 60L * i, 3, 4096).toArray();
    }

    @Test
    void aRequestGetsTheSameIdsAloneWithoutSpeculationAndAmongOthers() {
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"));
                ModelEngine engine = ModelEngine.load(demo, EngineOptions.DEFAULT.withSlots(TREES.size()))) {
            KvSlots slots = new KvSlots(TREES.size());
            SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
            List<Sequence> together = new ArrayList<>();
            for (int i = 0; i < TREES.size(); i++) {
                together.add(
                        Decoding.sequence(slots, prompt(i), TREES.get(i), RULES.get(i), Decoding.tokens(60 + 20 * i)));
                decoder.prefill(together.get(i));
            }
            while (together.stream().anyMatch(each -> each.finished().isEmpty())) {
                decoder.step(together);
            }
            for (int i = 0; i < TREES.size(); i++) {
                Sequence alone = Decoding.run(
                        engine, prompt(i), DraftTree.ROOT_ONLY, RULES.get(i), Decoding.tokens(60 + 20 * i));
                assertThat(together.get(i).output()).as("request %d", i).containsExactly(alone.output());
            }
        }
    }
}
