package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.evaluation.DraftReader;
import dev.hydrallm.evaluation.HeadAccuracy;
import dev.hydrallm.evaluation.RankHits;
import dev.hydrallm.evaluation.SlidingWindows;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.RopeScaling;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** What heads guess at every place of a text, against a naive model and against what decoding drafts. */
@ParameterizedClass
@EnumSource(
        value = Kind.class,
        names = {"KERNELS", "TORCH"})
class ModelDraftReaderTest {
    private static final int WINDOW = 12;
    private static final int RANKS = 4;
    private static final Path DEMO = Path.of("models", "demo");

    @Parameter
    private Kind kind = Kind.AUTO;

    @TempDir
    Path folder;

    private DraftReader load(PackedModel pack, int chunk) {
        return ModelDraftReader.load(pack, Kinds.on(kind, pack, new EngineOptions(1, WINDOW, 2, 16, chunk)));
    }

    private static int[] text(PackedModel pack, int length) {
        return new Random(length)
                .ints(length, 0, pack.architecture().vocabSize())
                .toArray();
    }

    /** Dynamic scaling takes the window for its context, the naive model all that the model was made for. */
    static List<Shape> shapes() {
        return Shape.all().stream()
                .filter(shape -> shape.draft().heads() > 0)
                .filter(shape -> !(shape.architecture().ropeScaling() instanceof RopeScaling.Dynamic))
                .toList();
    }

    private static int[] best(double[] logits) {
        return IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.comparingDouble(token -> -logits[token]))
                .limit(RANKS)
                .mapToInt(Integer::intValue)
                .toArray();
    }

    /** So far apart that rounding, of activations to 8 bits too, changes no order. */
    private boolean clear(double[] logits) {
        double[] sorted = Arrays.stream(logits).map(logit -> -logit).sorted().toArray();
        return IntStream.range(0, RANKS).allMatch(i -> sorted[i + 1] - sorted[i] > (kind == Kind.TORCH ? 1e-3 : 0.05));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void guessesAreTheNaiveModels(Shape shape) {
        try (PackedModel pack = TinyPack.write(folder, shape.architecture(), shape.draft(), Kinds.exactest(kind), 0.4);
                DraftReader reader = load(pack, 5)) {
            int[] text = text(pack, 10);
            ReferenceModel naive = Kinds.reference(kind, pack);
            int compared = 0;
            for (int from = 0; from < text.length; from += 5) {
                DraftReader.Guesses guesses =
                        reader.guesses(Arrays.copyOfRange(text, from, from + 5), from, text[(from + 5) % 10], RANKS);
                for (int row = 0; row < 5; row++) {
                    double[][] logits = naive.logits(Arrays.copyOf(text, from + row + 1), text[(from + row + 1) % 10]);
                    if (clear(logits[0])) {
                        assertThat(guesses.next()[row]).isEqualTo(best(logits[0])[0]);
                    }
                    for (int head = 0; head < reader.heads(); head++) {
                        if (clear(logits[1 + head])) {
                            compared++;
                            assertThat(guesses.drafts()[head][row]).containsExactly(best(logits[1 + head]));
                        }
                    }
                }
            }
            assertThat(compared).isPositive();
        }
    }

    @Test
    void theAccuracyIsThatOfWhatDecodingDraftsAtEveryPlace() {
        try (PackedModel pack = PackedModel.open(DEMO);
                Engine engine = Kinds.load(pack, EngineOptions.DEFAULT, kind);
                DraftReader reader = ModelDraftReader.load(pack, Kinds.on(kind, pack, EngineOptions.DEFAULT))) {
            int[] text = {1, 328, 289, 631, 567, 3968, 17, 402, 328, 289, 631, 300, 15, 17};
            int heads = reader.heads();
            DraftShape wanted = new DraftShape(heads, 10);
            AcceptanceRule greedy = new AcceptanceRule.Greedy();
            List<Engine.Prefilled> drafted = new ArrayList<>();
            drafted.add(engine.prefill(
                    new Engine.PrefillRequest(0, Arrays.copyOf(text, 1), 0, greedy, Optional.of(wanted))));
            // Draft layers may read the next token, which behind a prompt is the base's choice; from there on the
            // text's own.
            text[1] = drafted.getFirst().next();
            for (int row = 1; row < text.length - 1; row++) {
                int[] root = {text[row]};
                int next = engine.verify(List.of(new Engine.TreeQuery(0, row, root, DraftTree.ROOT_ONLY, greedy)))
                        .getFirst()
                        .next()[0];
                Engine.Acceptance acceptance = new Engine.Acceptance(0, new int[] {0}, text[row + 1], wanted);
                drafted.add(new Engine.Prefilled(
                        next, engine.commit(List.of(acceptance)).getFirst()));
            }
            HeadAccuracy measured = HeadAccuracy.of(
                    reader, List.of(HeadAccuracy.Text.whole(text)), new SlidingWindows(1024, 512), 10, done -> {});
            for (int head = 0; head < heads; head++) {
                Long[] ofText = new Long[10];
                Long[] ofBase = new Long[10];
                Arrays.fill(ofText, 0L);
                Arrays.fill(ofBase, 0L);
                for (int row = 0; row + 2 + head < text.length; row++) {
                    int[] guesses = drafted.get(row).drafts().candidates()[head];
                    int choice = drafted.get(row + 1 + head).next();
                    for (int rank = 0; rank < 10; rank++) {
                        ofText[rank] += guesses[rank] == text[row + 2 + head] ? 1 : 0;
                        ofBase[rank] += guesses[rank] == choice ? 1 : 0;
                    }
                }
                assertThat(measured.ofText().get(head))
                        .isEqualTo(new RankHits(text.length - 2 - head, List.of(ofText)));
                assertThat(measured.ofBase().get(head))
                        .isEqualTo(new RankHits(text.length - 2 - head, List.of(ofBase)));
            }
            assertThat(measured.ofBase().getFirst().within(10)).isPositive();
        }
    }

    @Test
    void whatIsGuessedDoesNotDependOnWhatWasReadWithoutAQuestion() {
        try (PackedModel pack = TinyPack.write(
                        folder,
                        shapes().getFirst().architecture(),
                        shapes().getFirst().draft(),
                        Kinds.exactest(kind),
                        0.4);
                DraftReader reader = load(pack, 4)) {
            int[] text = text(pack, 8);
            int[] last = Arrays.copyOfRange(text, 4, 8);
            reader.guesses(Arrays.copyOf(text, 4), 0, text[4], RANKS);
            DraftReader.Guesses asked = reader.guesses(last, 4, 3, RANKS);
            reader.read(new int[] {1, 2, 3, 4}, 0, 5);
            reader.read(Arrays.copyOf(text, 4), 0, text[4]);
            DraftReader.Guesses again = reader.guesses(last, 4, 3, RANKS);
            assertThat(again.drafts()).isDeepEqualTo(asked.drafts());
            assertThat(again.next()).containsExactly(asked.next());
        }
    }

    @Test
    void whatCannotBeReadIsRefused() {
        Shape shape = shapes().getFirst();
        try (PackedModel pack = TinyPack.write(folder, shape.architecture(), shape.draft(), Kinds.exactest(kind), 0.4);
                DraftReader reader = load(pack, 5)) {
            assertThat(reader.chunkSize()).isEqualTo(5);
            assertThatThrownBy(() -> reader.read(new int[0], 0, 1)).hasMessageContaining("1 to 5 tokens, not 0");
            assertThatThrownBy(() -> reader.guesses(new int[6], 0, 1, 1)).hasMessageContaining("not 6");
            assertThatThrownBy(() -> reader.guesses(new int[5], 8, 1, 1)).hasMessageContaining("a window of 12");
            assertThatThrownBy(() -> reader.guesses(new int[] {999}, 0, 1, 1)).hasMessageContaining("token id 999");
            assertThatThrownBy(() -> reader.guesses(new int[1], 0, 1, 0)).hasMessageContaining("0 guesses");
            assertThatThrownBy(() -> reader.guesses(new int[1], 0, 1, 1000)).hasMessageContaining("1000 guesses");
        }
    }
}
