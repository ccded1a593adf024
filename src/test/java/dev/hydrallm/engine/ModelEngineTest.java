package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.NotFiniteException;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.RopeScaling;
import dev.hydrallm.model.SlidingWindow;
import dev.hydrallm.model.WeightFormat;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The engine on models of random weights, small enough for a naive reference. */
@ParameterizedClass
@EnumSource(
        value = Kind.class,
        names = {"KERNELS", "TORCH"})
class ModelEngineTest {
    private static final Set<DraftPart> NEXT_TOKEN = Set.of(DraftPart.NEXT_TOKEN);

    @Parameter
    private Kind kind = Kind.AUTO;

    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final DraftTree TREE = DraftTree.of(
            List.of(List.of(0), List.of(0, 0), List.of(1), List.of(0, 1), List.of(0, 0, 0), List.of(2), List.of(1, 0)));

    @TempDir
    Path folder;

    private PackedModel pack(Shape shape, WeightFormat format, double spread) {
        return TinyPack.write(folder, shape.architecture(), shape.draft(), format, spread);
    }

    private static EngineOptions small() {
        return new EngineOptions(3, 0, 2, 64, 5);
    }

    private static int[] prompt(int length, int vocabulary) {
        return new Random(length).ints(length, 0, vocabulary).toArray();
    }

    @ParameterizedTest
    @MethodSource("dev.hydrallm.engine.Shape#all")
    void logitsAgreeWithTheNaiveModel(Shape shape) {
        try (PackedModel pack = pack(shape, Kinds.exactest(kind), 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            int[] prompt = prompt(11, shape.architecture().vocabSize());
            double[][] expected = Kinds.reference(kind, pack).logits(prompt, 7);
            assertClose(engine.program().logits(prompt), expected[0]);
            float[] heads = engine.program().headLogits(ReferenceModel.behind(prompt, 7));
            for (int k = 0; k < shape.draft().heads(); k++) {
                int from = k * expected[0].length;
                assertClose(Arrays.copyOfRange(heads, from, from + expected[0].length), expected[1 + k]);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("dev.hydrallm.engine.Shape#all")
    void eightBitLogitsAreCloseToTheNaiveModelOfTheSameWeights(Shape shape) {
        try (PackedModel pack = pack(shape, WeightFormat.INT8, 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            int[] prompt = prompt(11, shape.architecture().vocabSize());
            double[] expected = new ReferenceModel(pack).logits(prompt)[0];
            assertClose(engine.program().logits(prompt), expected, 0.1 * largest(expected));
        }
    }

    private void assertClose(float[] actual, double[] expected) {
        assertClose(actual, expected, tolerance(expected));
    }

    /** Single precision's errors; with 8-bit activations a number now and then falls to the next code. */
    private double tolerance(double[] logits) {
        return kind == Kind.TORCH ? 1e-4 : 0.02 * largest(logits);
    }

    private static double largest(double[] logits) {
        return Arrays.stream(logits).map(Math::abs).max().orElseThrow();
    }

    private static void assertClose(float[] actual, double[] expected, double tolerance) {
        assertThat(actual).hasSize(expected.length);
        for (int i = 0; i < actual.length; i++) {
            assertThat((double) actual[i]).as("logit %d", i).isCloseTo(expected[i], within(tolerance));
        }
    }

    @ParameterizedTest
    @MethodSource("dev.hydrallm.engine.Shape#all")
    void speculationGivesTheTokensOfThePlainLoopAndOfTheNaiveModel(Shape shape) {
        try (PackedModel pack = pack(shape, Kinds.exactest(kind), 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            int[] prompt = prompt(7, shape.architecture().vocabSize());
            int[] plain = Decoding.run(engine, prompt, DraftTree.ROOT_ONLY, GREEDY, Decoding.tokens(40))
                    .output();
            assertNaivelyBest(pack, prompt, plain);
            assertThat(Decoding.run(engine, prompt, TREE, GREEDY, Decoding.tokens(40))
                            .output())
                    .containsExactly(plain);
        }
    }

    /** Wide enough for every operator's vectorized kernels, whose sums must not depend on the rows beside. */
    @Test
    void eightBitSpeculationGivesThePlainTokensWithAllPartsOfAllFamilies() {
        Architecture wide = Shape.with(
                Shape.with(
                        new Architecture(101, 192, 160, 4, 6, 2, 32, 1e-6, 10_000, 400, true),
                        new SlidingWindow(48, 1),
                        new RopeScaling.Yarn(4, 1.14, 32, 1, 100)),
                AttentionPart.values());
        try (PackedModel pack = pack(new Shape(wide, new DraftLayout(3, 1, 2, false)), WeightFormat.INT8, 0.1);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            for (int length : new int[] {1, 30, 90}) {
                int[] prompt = prompt(length, 101);
                int[] plain = Decoding.run(engine, prompt, DraftTree.ROOT_ONLY, GREEDY, Decoding.tokens(200))
                        .output();
                Sequence drafted = Decoding.run(engine, prompt, TREE, GREEDY, Decoding.tokens(200));
                assertThat(drafted.output()).containsExactly(plain);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "int8"})
    void aModelWithoutHeadsDecodesPlainly(String format) {
        Shape shape = new Shape(Shape.all().getFirst().architecture(), DraftLayout.NONE);
        try (PackedModel pack = pack(shape, WeightFormat.named(format), 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            int[] prompt = prompt(7, 19);
            int[] output = Decoding.run(engine, prompt, DraftTree.ROOT_ONLY, GREEDY, Decoding.tokens(30))
                    .output();
            assertThat(output).hasSize(30);
            if (Kinds.exactest(kind).equals(WeightFormat.named(format))) {
                assertNaivelyBest(pack, prompt, output);
            }
        }
    }

    /** Each token is the one that the naive model would have chosen, or as good as that. */
    private void assertNaivelyBest(PackedModel pack, int[] prompt, int[] output) {
        ReferenceModel naive = Kinds.reference(kind, pack);
        int[] tokens = Arrays.copyOf(prompt, prompt.length + output.length);
        System.arraycopy(output, 0, tokens, prompt.length, output.length);
        for (int i = 0; i < output.length; i++) {
            double[] logits = naive.logits(Arrays.copyOf(tokens, prompt.length + i))[0];
            double best = Arrays.stream(logits).max().orElseThrow();
            assertThat(logits[output[i]]).as("token %d", i).isGreaterThan(best - tolerance(logits));
        }
    }

    @ParameterizedTest
    @MethodSource("dev.hydrallm.engine.Shape#all")
    void aRaggedBatchGivesEachRequestWhatItGetsAlone(Shape shape) {
        try (PackedModel pack = pack(shape, WeightFormat.INT8, 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            List<AcceptanceRule> rules = List.of(
                    GREEDY,
                    new AcceptanceRule.Sampled(0.8, 5, 0.9, 0.01, 4),
                    new AcceptanceRule.Typical(0.7, 0.09, 0.3));
            List<DraftTree> trees = List.of(TREE, TREE.first(3), TREE.first(5));
            KvSlots slots = new KvSlots(3);
            SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
            List<Sequence> together = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                int[] prompt = prompt(4 + 3 * i, shape.architecture().vocabSize());
                together.add(Decoding.sequence(slots, prompt, trees.get(i), rules.get(i), Decoding.tokens(20 + 9 * i)));
                decoder.prefill(together.get(i));
            }
            while (together.stream().anyMatch(each -> each.finished().isEmpty())) {
                decoder.step(together);
            }
            for (int i = 0; i < 3; i++) {
                int[] prompt = prompt(4 + 3 * i, shape.architecture().vocabSize());
                Sequence alone = Decoding.run(engine, prompt, trees.get(i), rules.get(i), Decoding.tokens(20 + 9 * i));
                assertThat(together.get(i).output()).containsExactly(alone.output());
                assertThat(together.get(i).statistics().acceptLengths())
                        .isEqualTo(alone.statistics().acceptLengths());
            }
        }
    }

    @Test
    void aModelWhoseArgmaxIsIdZeroAcceptsOnlyWhatWasDrafted() {
        // All logits are 0: argmax and every head's first guess are id 0 (SEED B5).
        Shape shape = Shape.all().getFirst();
        try (PackedModel pack = pack(shape, Kinds.exactest(kind), 0);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            Sequence sequence = Decoding.run(engine, new int[] {3, 4}, TREE, GREEDY, Decoding.tokens(17));
            assertThat(sequence.output()).containsOnly(0).hasSize(17);
            assertThat(sequence.statistics().acceptLengths()).allMatch(length -> length <= TREE.depth());
            Sequence plain = Decoding.run(engine, new int[] {3, 4}, DraftTree.ROOT_ONLY, GREEDY, Decoding.tokens(17));
            assertThat(sequence.output()).containsExactly(plain.output());
        }
    }

    @Test
    void aKeptPrefixGivesTheSameTokensAsReadingItAgain() {
        Shape shape = Shape.all().get(2);
        try (PackedModel pack = pack(shape, WeightFormat.INT8, 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            KvSlots slots = new KvSlots(1);
            int[] prompt = prompt(9, 23);
            Sequence first = Decoding.run(engine, slots, prompt, Speculation.whole(TREE), GREEDY, Decoding.tokens(20));
            int[] turn = Arrays.copyOf(first.committedTokens(), first.committedTokens().length + 3);
            Sequence second = Decoding.run(engine, slots, turn, Speculation.whole(TREE), GREEDY, Decoding.tokens(20));
            assertThat(second.statistics().reusedTokens()).isEqualTo(turn.length - 3);
            assertThat(second.output())
                    .containsExactly(Decoding.run(engine, turn, TREE, GREEDY, Decoding.tokens(20))
                            .output());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 40, 140})
    void draftsAreTheSameHoweverLateTheDraftLayersRead(int late) {
        Architecture longContext = new Architecture(23, 24, 16, 2, 6, 2, 4, 1e-6, 500_000, 300, false);
        Shape shape = new Shape(longContext, new DraftLayout(3, 1, 1, false, NEXT_TOKEN));
        try (PackedModel pack = pack(shape, WeightFormat.INT8, 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            assertThat(drafted(engine, late, 0)).isDeepEqualTo(drafted(engine, late, 3));
        }
    }

    /** The drafts after some steps whose commits, as the prompt, asked for {@code ranks}. */
    private static int[][] drafted(Engine engine, int steps, int ranks) {
        engine.prefill(request(prompt(9, 23), 0, Optional.of(DraftShape.ofAll(ranks))));
        DraftTree chain = DraftTree.of(List.of(List.of(0), List.of(1)));
        int start = 9;
        for (int step = 0; step < steps; step++) {
            int[] path = step % 3 == 0 ? new int[] {0, 2} : new int[] {0};
            engine.verify(List.of(new Engine.TreeQuery(0, start, new int[] {step % 19, 4, 5}, chain, GREEDY)));
            engine.commit(List.of(new Engine.Acceptance(0, path, 0, DraftShape.ofAll(ranks))));
            start += path.length;
        }
        engine.verify(List.of(new Engine.TreeQuery(0, start, new int[] {7}, DraftTree.ROOT_ONLY, GREEDY)));
        return engine.commit(List.of(new Engine.Acceptance(0, new int[] {0}, 0, DraftShape.ofAll(3))))
                .getFirst()
                .candidates();
    }

    @Test
    void aPromptThatBuildsOnRowsWhichWaitIsDraftedAsIfItWasReadAnew() {
        Architecture longContext = new Architecture(23, 24, 16, 2, 6, 2, 4, 1e-6, 500_000, 300, false);
        Shape shape = new Shape(longContext, new DraftLayout(3, 1, 1, false, NEXT_TOKEN));
        int[] text = prompt(230, 23);
        try (PackedModel pack = pack(shape, WeightFormat.INT8, 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            int[][] expected = engine.prefill(request(text)).drafts().candidates();
            for (int kept : new int[] {3, 90, 160, 200}) {
                engine.prefill(request(Arrays.copyOf(text, 90), 0, Optional.of(DraftShape.NONE)));
                for (int row = 90; row < 200; row++) {
                    int[] next = {text[row]};
                    engine.verify(List.of(new Engine.TreeQuery(0, row, next, DraftTree.ROOT_ONLY, GREEDY)));
                    engine.commit(List.of(new Engine.Acceptance(0, new int[] {0}, text[row + 1], DraftShape.NONE)));
                }
                // One that never drafts comes between and leaves its own rows behind those that are kept.
                int[] other = Arrays.copyOf(text, 220);
                Arrays.fill(other, kept, 220, 1);
                engine.prefill(request(other, kept, Optional.empty()));
                assertThat(engine.prefill(request(text, kept, Optional.of(DraftShape.ofAll(3))))
                                .drafts()
                                .candidates())
                        .as("%d rows kept", kept)
                        .isDeepEqualTo(expected);
            }
        }
    }

    @Test
    void onTheKernelsTheDraftLayersReadNothingUntilGuessesAreWanted() {
        assumeTrue(kind == Kind.KERNELS, "on libtorch they read every 128 rows");
        try (PackedModel pack = pack(Shape.all().get(2), WeightFormat.INT8, 0.4);
                ModelEngine loaded = Kinds.load(pack, small(), kind)) {
            List<String> calls = new ArrayList<>();
            DecoderProgram listening = (DecoderProgram) Proxy.newProxyInstance(
                    getClass().getClassLoader(), new Class<?>[] {DecoderProgram.class}, (proxy, method, arguments) -> {
                        calls.add(method.getName());
                        return method.invoke(loaded.program(), arguments);
                    });
            ModelEngine engine = ModelEngine.of(listening, pack, small());
            int length = engine.limits().contextLength();
            engine.prefill(request(prompt(9, 23), 0, Optional.of(DraftShape.NONE)));
            for (int row = 9; row < length - 1; row++) {
                engine.verify(List.of(new Engine.TreeQuery(0, row, new int[] {row % 23}, DraftTree.ROOT_ONLY, GREEDY)));
                engine.commit(List.of(new Engine.Acceptance(0, new int[] {0}, 0, DraftShape.NONE)));
            }
            assertThat(calls).contains("putAside").doesNotContain("draft", "draftLate");
        }
    }

    @Test
    void theContextEndsExactlyWhereItIsFull() {
        Shape shape = Shape.all().getFirst();
        try (PackedModel pack = pack(shape, Kinds.exactest(kind), 0.4);
                ModelEngine engine = Kinds.load(pack, small().withContextLength(32), kind)) {
            int[] prompt = prompt(7, 19);
            assertThat(Decoding.run(engine, prompt, TREE, GREEDY, Decoding.tokens(1000))
                            .output())
                    .hasSize(25);
        }
    }

    @Test
    void promptsThatCannotBeReadAreRefused() {
        Shape shape = Shape.all().getFirst();
        try (PackedModel pack = pack(shape, Kinds.exactest(kind), 0.4);
                ModelEngine engine = Kinds.load(pack, small().withContextLength(32), kind)) {
            assertThatThrownBy(() -> engine.prefill(request(new int[0]))).hasMessageContaining("no tokens");
            assertThatThrownBy(() -> engine.prefill(request(new int[32]))).hasMessageContaining("leaves no room");
            assertThatThrownBy(() -> engine.prefill(request(new int[] {19}))).hasMessageContaining("token id 19");
            assertThatThrownBy(() -> engine.prefill(request(new int[] {-1}))).hasMessageContaining("token id -1");
            assertThat(engine.prefill(request(new int[] {1, 2})).next()).isBetween(0, 18);
            EngineOptions longer = small().withContextLength(97).on(kind);
            assertThatThrownBy(() -> ModelEngine.load(pack, longer)).hasMessageContaining("96 tokens");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "norm",
                "layers.0.attention_norm",
                "layers.1.mlp_norm",
                "layers.0.q_norm",
                "layers.0.qkv.bias",
                "layers.0.qkv.scale",
                "layers.1.down.scale",
                "lm_head.scale"
            })
    void weightsThatAreNoNumbersAreRefusedByName(String damaged) {
        assumeTrue(kind == Kind.KERNELS, "libtorch takes vectors as they are");
        for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            try (PackedModel pack = damaged(damaged, wrong)) {
                assertThatThrownBy(() -> Kinds.load(pack, small(), kind))
                        .as("%s in %s", wrong, damaged)
                        .isInstanceOf(ModelFormatException.class)
                        .hasMessageContainingAll(damaged, "is " + wrong, "pack the model again");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"layers.0.attention_norm", "layers.1.mlp_norm", "layers.1.down.scale", "norm"})
    void aModelThatComputesNoNumbersIsAnError(String damaged) {
        // Two of them are above all numbers.
        try (PackedModel pack = damaged(damaged, Float.MAX_VALUE);
                ModelEngine engine = Kinds.load(pack, small(), kind);
                ModelScorer scorer = ModelScorer.load(pack, small().on(kind))) {
            assertThatThrownBy(() -> engine.prefill(request(prompt(9, 23))))
                    .as(damaged)
                    .isInstanceOf(NotFiniteException.class)
                    .hasMessageContaining("its weights are damaged");
            assertThatThrownBy(() -> scorer.logProbabilities(prompt(4, 23), 0))
                    .as(damaged)
                    .isInstanceOf(NotFiniteException.class);
        }
    }

    private PackedModel damaged(String tensor, float wrong) {
        Architecture all =
                Shape.with(new Architecture(23, 24, 40, 2, 6, 2, 4, 1e-6, 500_000, 96, false), AttentionPart.values());
        try (PackedModel pack = pack(new Shape(all, new DraftLayout(3, 1, 1, false)), WeightFormat.INT8, 0.4)) {
            return PackedModel.open(TinyPack.altered(folder.resolve(tensor + wrong), pack, tensor, wrong));
        }
    }

    @Test
    void asManyGuessesAsThereAreTokensAreAllOfThemAndMoreAreRefused() {
        try (PackedModel pack = pack(Shape.all().get(2), WeightFormat.INT8, 0.4);
                ModelEngine engine = Kinds.load(pack, small(), kind)) {
            int[][] all = engine.prefill(request(prompt(9, 23), 0, Optional.of(DraftShape.ofAll(23))))
                    .drafts()
                    .candidates();
            for (int[] head : all) {
                assertThat(head)
                        .containsExactlyInAnyOrder(IntStream.range(0, 23).toArray());
            }
            assertThatThrownBy(() -> engine.prefill(request(prompt(9, 23), 0, Optional.of(DraftShape.ofAll(24)))))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("24 guesses of a head, and the vocabulary has 23 tokens");
        }
    }

    private static Engine.PrefillRequest request(int[] tokens) {
        return request(tokens, 0, Optional.of(DraftShape.ofAll(3)));
    }

    private static Engine.PrefillRequest request(int[] tokens, int from, Optional<DraftShape> wanted) {
        return new Engine.PrefillRequest(0, tokens, from, GREEDY, wanted);
    }
}
