package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.engine.torch.Gpu;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** 1,000 generations of mixed length, rule and tree: what they take of a GPU's memory is taken once. */
@Tag("gpu")
class GpuSoakTest {
    private static final int GENERATIONS = 1000;
    private static final int WARM = 250;
    private static final int LONGEST_PROMPT = 900;
    private static final long TOLERATED = 4 << 20;

    private static final DraftTree TREE =
            DraftTree.of(NamedTrees.byName("mc_sim_7b_63_depth3").orElseThrow());

    @Test
    void memoryStaysFlat() {
        EngineOptions options = Gpu.options(EngineOptions.DEFAULT);
        try (PackedModel demo = PackedModel.open(Path.of("models", "demo"));
                ModelEngine engine = ModelEngine.load(demo, options)) {
            KvSlots slots = new KvSlots(1);
            Random random = new Random(1);
            long warm = 0;
            long tokens = 0;
            for (int i = 0; i < GENERATIONS; i++) {
                if (i == WARM) {
                    warm = Gpu.freeBytes();
                }
                // Lengths from 1 on, as many short as long ones by their order of magnitude.
                int length = (int) Math.pow(LONGEST_PROMPT, random.nextDouble());
                int[] prompt = random.ints(length, 3, 4096).toArray();
                Speculation way = random.nextInt(4) == 0
                        ? Speculation.NONE
                        : Speculation.whole(TREE.first(1 + random.nextInt(64)));
                Sequence sequence =
                        Decoding.run(engine, slots, prompt, way, rule(random), Decoding.tokens(1 + random.nextInt(40)));
                tokens += sequence.output().length;
            }
            assertThat(tokens).isGreaterThan(10L * GENERATIONS);
            assertThat(warm - Gpu.freeBytes())
                    .as("bytes taken by the last %d generations", GENERATIONS - WARM)
                    .isLessThanOrEqualTo(TOLERATED);
        }
    }

    private static AcceptanceRule rule(Random random) {
        return List.of(
                        new AcceptanceRule.Greedy(),
                        new AcceptanceRule.Sampled(0.8, 40, 0.95, 0.01, random.nextLong()),
                        new AcceptanceRule.Typical(0.7, 0.09, 0.3))
                .get(random.nextInt(3));
    }
}
