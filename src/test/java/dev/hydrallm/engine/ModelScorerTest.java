package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.evaluation.Perplexity;
import dev.hydrallm.evaluation.Scorer;
import dev.hydrallm.evaluation.SlidingWindows;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.RopeScaling;
import dev.hydrallm.model.WeightFormat;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The scorer on models of random weights, small enough for a naive reference. */
@ParameterizedClass
@EnumSource(
        value = Kind.class,
        names = {"KERNELS", "TORCH"})
class ModelScorerTest {
    @Parameter
    private Kind kind = Kind.AUTO;

    private static final int WINDOW = 12;

    @TempDir
    Path folder;

    private PackedModel pack(Shape shape, WeightFormat format) {
        return TinyPack.write(folder, shape.architecture(), shape.draft(), format, 0.4);
    }

    private Scorer load(PackedModel pack, int chunk) {
        return ModelScorer.load(pack, Kinds.on(kind, pack, new EngineOptions(1, WINDOW, 2, 16, chunk)));
    }

    private static int[] text(PackedModel pack, int length) {
        return new Random(length)
                .ints(length, 0, pack.architecture().vocabSize())
                .toArray();
    }

    private static double[] logSoftmax(double[] logits) {
        double sum = Arrays.stream(logits).map(Math::exp).sum();
        return Arrays.stream(logits).map(logit -> logit - Math.log(sum)).toArray();
    }

    /** Dynamic scaling takes the window for its context, the naive model all that the model was made for. */
    static List<Shape> shapes() {
        return Shape.all().stream()
                .filter(shape -> !(shape.architecture().ropeScaling() instanceof RopeScaling.Dynamic))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void perplexityIsThatOfTheNaiveModel(Shape shape) {
        try (PackedModel pack = pack(shape, Kinds.exactest(kind));
                Scorer scorer = load(pack, 5)) {
            int[] text = text(pack, 30);
            ReferenceModel naive = Kinds.reference(kind, pack);
            double sum = 0;
            int scored = 0;
            for (int begin = 0; scored < text.length - 1; begin += 7) {
                int end = Math.min(begin + WINDOW, text.length - 1);
                while (scored < end) {
                    scored++;
                    sum -= logSoftmax(naive.logits(Arrays.copyOfRange(text, begin, scored))[0])[text[scored]];
                }
            }
            Perplexity perplexity = Perplexity.of(scorer, text, new SlidingWindows(WINDOW, 7), done -> {});
            assertThat(perplexity.tokens()).isEqualTo(29);
            assertThat(perplexity.negativeLogLikelihood())
                    .isCloseTo(sum / 29, within(kind == Kind.TORCH ? 1e-5 : 1e-2));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "int8"})
    void whatIsExpectedDoesNotDependOnTheChunksThatAreRead(String format) {
        try (PackedModel pack = pack(shapes().get(3), WeightFormat.named(format));
                Scorer whole = load(pack, WINDOW);
                Scorer single = load(pack, 1)) {
            int[] text = text(pack, WINDOW);
            double[][] rows = whole.logProbabilities(text, 0);
            assertThat(rows).hasNumberOfRows(WINDOW);
            for (int i = 0; i < text.length; i++) {
                assertThat(Arrays.stream(rows[i]).map(Math::exp).sum()).isCloseTo(1, within(1e-12));
                double[] alone = single.logProbabilities(new int[] {text[i]}, i)[0];
                assertThat(alone).hasSize(pack.architecture().vocabSize());
                for (int token = 0; token < alone.length; token++) {
                    assertThat(alone[token]).isCloseTo(rows[i][token], within(kind == Kind.TORCH ? 1e-4 : 0));
                }
            }
        }
    }

    @Test
    void whatIsReadWithoutAQuestionIsRememberedAllTheSame() {
        try (PackedModel pack = pack(shapes().get(2), WeightFormat.INT8);
                Scorer scorer = load(pack, 4)) {
            int[] text = text(pack, 8);
            int[] last = Arrays.copyOfRange(text, 4, 8);
            scorer.logProbabilities(Arrays.copyOf(text, 4), 0);
            double[][] asked = scorer.logProbabilities(last, 4);
            scorer.read(new int[] {1, 2, 3, 4}, 0);
            assertThat(Arrays.deepEquals(scorer.logProbabilities(last, 4), asked))
                    .isFalse();
            scorer.read(Arrays.copyOf(text, 4), 0);
            assertThat(scorer.logProbabilities(last, 4)).isDeepEqualTo(asked);
        }
    }

    @Test
    void theLikeliestTokenIsTheOneThatTheEngineChooses() {
        try (PackedModel pack = PackedModel.open(Path.of("models", "demo"));
                Engine engine = Kinds.load(pack, EngineOptions.DEFAULT, kind);
                Scorer scorer = ModelScorer.load(pack, Kinds.on(kind, pack, EngineOptions.DEFAULT))) {
            int[] text = {1, 328, 289, 631, 567, 3968, 17, 402};
            double[][] rows = scorer.logProbabilities(text, 0);
            for (int length = 1; length <= text.length; length++) {
                Engine.PrefillRequest prompt = new Engine.PrefillRequest(
                        0, Arrays.copyOf(text, length), 0, new AcceptanceRule.Greedy(), Optional.empty());
                double[] row = rows[length - 1];
                assertThat(row[engine.prefill(prompt).next()])
                        .isEqualTo(Arrays.stream(row).max().orElseThrow());
            }
        }
    }

    @Test
    void whatCannotBeReadIsRefused() {
        try (PackedModel pack = pack(shapes().getFirst(), Kinds.exactest(kind));
                Scorer scorer = load(pack, 5)) {
            assertThat(scorer.chunkSize()).isEqualTo(5);
            assertThatThrownBy(() -> scorer.read(new int[0], 0)).hasMessageContaining("1 to 5 tokens, not 0");
            assertThatThrownBy(() -> scorer.logProbabilities(new int[6], 0)).hasMessageContaining("not 6");
            assertThatThrownBy(() -> scorer.read(new int[5], 8)).hasMessageContaining("a window of 12");
            assertThatThrownBy(() -> scorer.read(new int[5], -1)).hasMessageContaining("behind -1");
            assertThatThrownBy(() -> scorer.read(new int[] {19}, 0)).hasMessageContaining("token id 19");
            assertThatThrownBy(() -> scorer.logProbabilities(new int[] {-1}, 0)).hasMessageContaining("token id -1");
        }
    }
}
