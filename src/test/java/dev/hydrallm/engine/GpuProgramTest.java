package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.engine.EngineOptions.Precision;
import dev.hydrallm.engine.torch.GpuProgramOnProcessor;
import dev.hydrallm.engine.torch.GpuProgramOnProcessor.Norm;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a GPU runs, on a processor: as near to single precision as a processor's own programs, and lossless where they are. */
class GpuProgramTest {
    private static final DraftTree TREE =
            DraftTree.of(NamedTrees.byName("mc_sim_7b_63_depth3").orElseThrow());
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final List<int[]> PROMPTS = IntStream.range(0, 4)
            .mapToObj(i -> new Random(i).ints(3 + 10 * i, 3, 4096).toArray())
            .toList();

    @TempDir
    static Path folder;

    /** The demo's weights in single precision. */
    @SuppressWarnings("NullAway.Init") // written before all
    private static PackedModel expanded;

    /** What a processor computes with them. */
    @SuppressWarnings("NullAway.Init") // loaded before all
    private static ModelEngine single;

    @BeforeAll
    static void load() {
        try (PackedModel demo = demo()) {
            expanded = TinyPack.expanded(folder, demo);
        }
        single = ModelEngine.load(expanded, EngineOptions.DEFAULT.on(Device.CPU));
    }

    @AfterAll
    static void close() {
        single.close();
        expanded.close();
    }

    private static ModelEngine engine(PackedModel pack, EngineOptions options, Norm norm) {
        int context = ModelEngine.contextLength(pack, options);
        return ModelEngine.of(GpuProgramOnProcessor.load(pack, options, context, norm), pack, options);
    }

    private static PackedModel demo() {
        return PackedModel.open(Path.of("models", "demo"));
    }

    @ParameterizedTest
    @EnumSource
    void eightBitsAreAsNearAsOnAProcessorAndLossless(Norm norm) {
        EngineOptions options = EngineOptions.DEFAULT.on(Device.CPU).on(Kind.TORCH);
        try (PackedModel demo = demo();
                ModelEngine processor = ModelEngine.load(demo, options);
                ModelEngine gpu = engine(demo, options, norm)) {
            assertThat(error(gpu, single)).isBetween(1e-3, 1.25 * error(processor, single));
            assertLossless(gpu);
        }
    }

    @Test
    void singlePrecisionIsThatOfAProcessor() {
        EngineOptions options = EngineOptions.DEFAULT.on(Device.CPU).in(Precision.SINGLE);
        try (PackedModel again = PackedModel.open(expanded.directory());
                ModelEngine gpu = engine(again, options, Norm.FUSED)) {
            assertThat(error(gpu, single)).isLessThan(1e-5);
            assertLossless(gpu);
        }
    }

    @ParameterizedTest
    @EnumSource
    void halfPrecisionIsNear(Norm norm) {
        EngineOptions options = EngineOptions.DEFAULT.on(Device.CPU);
        try (PackedModel again = PackedModel.open(expanded.directory());
                ModelEngine gpu = engine(again, options, norm)) {
            assertThat(error(gpu, single)).isBetween(1e-5, 0.01);
        }
    }

    /** Of the base's and the heads' logits: the root of the mean square of all differences. */
    private static double error(ModelEngine engine, ModelEngine exact) {
        double squares = 0;
        int count = 0;
        for (int[] prompt : PROMPTS) {
            for (float[][] pair : new float[][][] {
                {engine.program().logits(prompt), exact.program().logits(prompt)},
                {
                    engine.program().headLogits(new int[prompt.length]),
                    exact.program().headLogits(new int[prompt.length])
                }
            }) {
                for (int i = 0; i < pair[0].length; i++) {
                    squares += Math.pow(pair[0][i] - (double) pair[1][i], 2);
                    count++;
                }
            }
        }
        return Math.sqrt(squares / count);
    }

    private static void assertLossless(ModelEngine engine) {
        for (int[] prompt : PROMPTS) {
            int[] plain = Decoding.run(engine, prompt, DraftTree.ROOT_ONLY, GREEDY, Decoding.tokens(40))
                    .output();
            assertThat(Decoding.run(engine, prompt, TREE, GREEDY, Decoding.tokens(40))
                            .output())
                    .containsExactly(plain);
        }
    }
}
