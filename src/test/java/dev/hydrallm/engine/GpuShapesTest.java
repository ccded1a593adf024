package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.engine.EngineOptions.Precision;
import dev.hydrallm.engine.torch.GpuProgramOnProcessor;
import dev.hydrallm.engine.torch.GpuProgramOnProcessor.Norm;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What a GPU runs, on a processor, for every family's parts and shapes that no size of which is round. */
class GpuShapesTest {
    private static final DraftTree TREE = DraftTree.of(
            List.of(List.of(0), List.of(1), List.of(0, 0), List.of(0, 1), List.of(1, 0), List.of(0, 0, 0), List.of(2)));

    private static final EngineOptions OPTIONS = new EngineOptions(3, 0, 2, 64, 5).on(Device.CPU);

    @TempDir
    Path folder;

    private static ModelEngine gpu(PackedModel pack, EngineOptions options) {
        int context = ModelEngine.contextLength(pack, options);
        return ModelEngine.of(GpuProgramOnProcessor.load(pack, options, context, Norm.MIRRORED), pack, options);
    }

    private static int[] prompt(int length, Shape shape) {
        return new Random(length)
                .ints(length, 0, shape.architecture().vocabSize())
                .toArray();
    }

    @ParameterizedTest
    @MethodSource("dev.hydrallm.engine.Shape#all")
    void numbersAreThoseOfAProcessor(Shape shape) {
        try (PackedModel pack = TinyPack.write(folder, shape.architecture(), shape.draft(), WeightFormat.F32, 0.4);
                PackedModel again = PackedModel.open(pack.directory());
                PackedModel third = PackedModel.open(pack.directory());
                ModelEngine processor = ModelEngine.load(pack, OPTIONS);
                ModelEngine single = gpu(again, OPTIONS.in(Precision.SINGLE));
                ModelEngine half = gpu(third, OPTIONS)) {
            for (int length : new int[] {1, 5, 40}) {
                int[] prompt = prompt(length, shape);
                float[] logits = processor.program().logits(prompt);
                float[] heads = processor.program().headLogits(new int[length]);
                assertNear(single.program().logits(prompt), logits, 2e-4);
                assertNear(single.program().headLogits(new int[length]), heads, 2e-4);
                assertThat(error(half.program().logits(prompt), logits)).isLessThan(0.05);
                assertThat(error(half.program().headLogits(new int[length]), heads))
                        .isLessThan(0.05);
            }
            assertBatchesAreWhatTheirRequestsGetAlone(single, shape);
        }
    }

    private static void assertNear(float[] actual, float[] expected, double tolerance) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < actual.length; i++) {
            assertThat((double) actual[i]).isCloseTo(expected[i], within(tolerance));
        }
    }

    /** The root of the mean square of all differences, as part of that of what was expected. */
    private static double error(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        double differences = 0;
        double squares = 0;
        for (int i = 0; i < actual.length; i++) {
            differences += Math.pow(actual[i] - (double) expected[i], 2);
            squares += Math.pow(expected[i], 2);
        }
        return Math.sqrt(differences / squares);
    }

    @ParameterizedTest
    @MethodSource("dev.hydrallm.engine.Shape#all")
    void eightBitRowsDoNotDependOnTheirBatch(Shape shape) {
        Architecture sizes = shape.architecture();
        assumeTrue(sizes.qkvRows() % 8 == 0, "a product of whole numbers has a multiple of 8 outputs");
        try (PackedModel pack = TinyPack.write(folder, sizes, shape.draft(), WeightFormat.INT8, 0.4);
                ModelEngine engine = gpu(pack, OPTIONS)) {
            assertBatchesAreWhatTheirRequestsGetAlone(engine, shape);
        }
    }

    private static void assertBatchesAreWhatTheirRequestsGetAlone(ModelEngine engine, Shape shape) {
        List<AcceptanceRule> rules = List.of(
                new AcceptanceRule.Greedy(),
                new AcceptanceRule.Sampled(0.8, 5, 0.9, 0.01, 4),
                new AcceptanceRule.Typical(0.7, 0.09, 0.3));
        List<DraftTree> trees = List.of(TREE, TREE.first(3), TREE.first(5));
        KvSlots slots = new KvSlots(3);
        SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
        List<Sequence> together = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            together.add(Decoding.sequence(
                    slots, prompt(4 + 3 * i, shape), trees.get(i), rules.get(i), Decoding.tokens(20 + 9 * i)));
            decoder.prefill(together.get(i));
        }
        while (together.stream().anyMatch(each -> each.finished().isEmpty())) {
            decoder.step(together);
        }
        for (int i = 0; i < 3; i++) {
            Sequence alone = Decoding.run(
                    engine, prompt(4 + 3 * i, shape), trees.get(i), rules.get(i), Decoding.tokens(20 + 9 * i));
            assertThat(together.get(i).output()).containsExactly(alone.output());
        }
    }
}
