package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.engine.EngineOptions.Precision;
import dev.hydrallm.engine.torch.Gpu;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.Shared;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.api.SoftAssertions;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the original program put out with the same weights in single precision: the same here, number by number. */
class GoldenTest {
    private static final double LOGIT_TOLERANCE = 2e-3;
    private static final DraftTree TREE =
            DraftTree.of(NamedTrees.byName("mc_sim_7b_63_depth3").orElseThrow());

    /** One run of the original; logits are those after the prompt, the five best. */
    record Case(
            int layers,
            String prompt,
            int[] promptIds,
            double temperature,
            int maxSteps,
            int[] outputIds,
            List<Integer> acceptLengths,
            int[] firstBaseTop5,
            double[] firstBaseLogits,
            int[][] firstHeadTop5,
            double[][] firstHeadLogits,
            int @Nullable [] greedyIds,
            boolean lossless) {
        AcceptanceRule rule() {
            return temperature == 0 ? new AcceptanceRule.Greedy() : new AcceptanceRule.Typical(temperature, 0.09, 0.3);
        }

        @Override
        public String toString() {
            return layers + " forked layers, temperature " + temperature + ", " + prompt;
        }
    }

    @TempDir
    Path folder;

    private static List<Case> cases(int layers) throws IOException {
        Case[] all = JsonMapper.builder()
                .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
                .build()
                .readValue(Shared.golden().resolve("seed-outputs.json").toFile(), Case[].class);
        return Arrays.stream(all).filter(each -> each.layers() == layers).toList();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2})
    void idsAcceptLengthsAndLogitsAreThoseOfTheOriginal(int forkedLayers) throws IOException {
        check(forkedLayers, EngineOptions.DEFAULT.on(Device.CPU));
    }

    @ParameterizedTest
    @Tag("gpu")
    @ValueSource(ints = {0, 1, 2})
    void theyAreOnAGpu(int forkedLayers) throws IOException {
        check(forkedLayers, Gpu.options(EngineOptions.DEFAULT).in(Precision.SINGLE));
    }

    private void check(int forkedLayers, EngineOptions options) throws IOException {
        List<Case> cases = cases(forkedLayers);
        assertThat(cases).hasSize(8);
        SoftAssertions softly = new SoftAssertions();
        try (PackedModel pack = SharedPacks.write(folder, forkedLayers);
                ModelEngine engine = ModelEngine.load(pack, options)) {
            for (Case golden : cases) {
                checkGeneration(softly, engine, golden);
                checkLogits(softly, engine, golden);
            }
        }
        softly.assertAll();
    }

    private static void checkGeneration(SoftAssertions softly, ModelEngine engine, Case golden) {
        Sequence sequence =
                Decoding.run(engine, golden.promptIds(), TREE, golden.rule(), Decoding.steps(golden.maxSteps()));
        softly.assertThat(sequence.output()).as("ids of %s", golden).containsExactly(golden.outputIds());
        softly.assertThat(sequence.statistics().acceptLengths())
                .as("accept lengths of %s", golden)
                .isEqualTo(golden.acceptLengths());
        int[] greedy = golden.greedyIds();
        if (greedy != null) {
            int[] plain = Decoding.run(
                            engine,
                            golden.promptIds(),
                            DraftTree.ROOT_ONLY,
                            new AcceptanceRule.Greedy(),
                            Decoding.tokens(greedy.length))
                    .output();
            softly.assertThat(plain).as("plain ids of %s", golden).containsExactly(greedy);
            softly.assertThat(golden.lossless())
                    .as("the original is lossless on %s", golden)
                    .isTrue();
        }
    }

    private static void checkLogits(SoftAssertions softly, ModelEngine engine, Case golden) {
        float[] base = engine.program().logits(golden.promptIds());
        checkBest(softly, "base of " + golden, base, golden.firstBaseTop5(), golden.firstBaseLogits());
        float[] heads = engine.program().headLogits(new int[golden.promptIds().length]);
        assertThat(heads).hasSize(golden.firstHeadTop5().length * base.length);
        for (int k = 0; k < golden.firstHeadTop5().length; k++) {
            float[] head = Arrays.copyOfRange(heads, k * base.length, (k + 1) * base.length);
            checkBest(
                    softly,
                    "head " + k + " of " + golden,
                    head,
                    golden.firstHeadTop5()[k],
                    golden.firstHeadLogits()[k]);
        }
    }

    private static void checkBest(SoftAssertions softly, String of, float[] logits, int[] ids, double[] values) {
        int[] best = IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.comparingDouble(id -> -logits[id]))
                .limit(ids.length)
                .mapToInt(Integer::intValue)
                .toArray();
        softly.assertThat(best).as("best of %s", of).containsExactly(ids);
        for (int i = 0; i < ids.length; i++) {
            softly.assertThat((double) logits[ids[i]])
                    .as("logit of %d, %s", ids[i], of)
                    .isCloseTo(values[i], within(LOGIT_TOLERANCE));
        }
    }
}
