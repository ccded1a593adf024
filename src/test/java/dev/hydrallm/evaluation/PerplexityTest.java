package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class PerplexityTest {
    private static final int UNLIMITED = 1000;

    @Provide
    Arbitrary<SlidingWindows> windows() {
        return Arbitraries.integers()
                .between(1, 40)
                .flatMap(size ->
                        Arbitraries.integers().between(1, size).map(stride -> new SlidingWindows(size, stride)));
    }

    private static int[] text(int tokens) {
        return new Random(tokens).ints(tokens, 0, FakeScorer.VOCABULARY).toArray();
    }

    private static Perplexity score(
            int chunk, Function<List<Integer>, double[]> model, int[] text, SlidingWindows windows) {
        return Perplexity.of(new FakeScorer(chunk, model), text, windows, done -> {});
    }

    /** Mean of -ln p over tokens, each after the text's tokens from {@code beginOf} it on. */
    private static double naive(
            Function<List<Integer>, double[]> model, int[] text, Function<Integer, Integer> beginOf) {
        double sum = 0;
        for (int token = 1; token < text.length; token++) {
            List<Integer> context =
                    Arrays.stream(text, beginOf.apply(token), token).boxed().toList();
            sum -= model.apply(context)[text[token]];
        }
        return sum / (text.length - 1);
    }

    @Property(tries = 200)
    void everyTokenButTheFirstIsScoredOnceAfterWhatItsWindowHolds(
            @ForAll("windows") SlidingWindows windows,
            @ForAll @IntRange(min = 2, max = 150) int tokens,
            @ForAll @IntRange(min = 1, max = 50) int chunk) {
        int[] text = text(tokens);
        var model = FakeScorer.remembering(UNLIMITED);
        // The first window that predicts a token: those before it end too early.
        Function<Integer, Integer> beginOf =
                token -> windows.stride() * Math.ceilDiv(Math.max(0, token - windows.size()), windows.stride());
        Perplexity perplexity = score(chunk, model, text, windows);
        assertThat(perplexity.tokens()).isEqualTo(tokens - 1);
        assertThat(perplexity.negativeLogLikelihood()).isCloseTo(naive(model, text, beginOf), within(1e-12));
        assertThat(perplexity.value()).isEqualTo(Math.exp(perplexity.negativeLogLikelihood()));
    }

    @Property(tries = 200)
    void aStrideOfTheWholeWindowIsTheSumOfSeparateChunks(
            @ForAll @IntRange(min = 1, max = 20) int size, @ForAll @IntRange(min = 2, max = 120) int tokens) {
        int[] text = text(tokens);
        var model = FakeScorer.remembering(UNLIMITED);
        double sum = 0;
        for (int begin = 0; begin < tokens - 1; begin += size) {
            int[] part = Arrays.copyOfRange(text, begin, Math.min(tokens, begin + size + 1));
            Perplexity alone = score(7, model, part, new SlidingWindows(part.length, 1));
            sum += alone.tokens() * alone.negativeLogLikelihood();
        }
        Perplexity whole = score(7, model, text, new SlidingWindows(size, size));
        assertThat(whole.tokens() * whole.negativeLogLikelihood()).isCloseTo(sum, within(1e-9));
    }

    @Property(tries = 200)
    void toAModelOfShortMemoryOverlapsMakeNoDifference(
            @ForAll("windows") SlidingWindows windows,
            @ForAll @IntRange(min = 2, max = 150) int tokens,
            @ForAll @IntRange(min = 1, max = 50) int chunk) {
        int[] text = text(tokens);
        var model = FakeScorer.remembering(1);
        assertThat(score(chunk, model, text, windows))
                .isEqualTo(score(UNLIMITED, model, text, new SlidingWindows(UNLIMITED, UNLIMITED)));
    }

    @Property
    void windowsOverlapByWhatTheStrideLeaves(
            @ForAll("windows") SlidingWindows windows, @ForAll @IntRange(min = 2, max = 150) int tokens) {
        List<SlidingWindows.Window> all = windows.over(tokens);
        assertThat(all.getFirst()).isEqualTo(new SlidingWindows.Window(0, 0, windows.sizeFor(tokens)));
        for (int i = 1; i < all.size(); i++) {
            assertThat(all.get(i).begin() - all.get(i - 1).begin()).isEqualTo(windows.stride());
            assertThat(all.get(i).fresh()).isEqualTo(all.get(i - 1).end());
            assertThat(all.get(i).end() - all.get(i).begin()).isLessThanOrEqualTo(windows.size());
        }
        assertThat(all.getLast().end()).isEqualTo(tokens - 1);
    }

    @Test
    void aModelWithoutAnIdeaIsAsUnsureAsItsVocabularyIsLarge() {
        double[] uniform = new double[FakeScorer.VOCABULARY];
        Arrays.fill(uniform, -Math.log(uniform.length));
        Perplexity perplexity = score(4, read -> uniform, text(30), new SlidingWindows(8, 3));
        assertThat(perplexity.value()).isCloseTo(FakeScorer.VOCABULARY, within(1e-12));
    }

    @Test
    void progressCountsTheScoredTokens() {
        List<Integer> done = new ArrayList<>();
        Perplexity.of(new FakeScorer(4, FakeScorer.remembering(1)), text(16), new SlidingWindows(10, 5), done::add);
        assertThat(done).containsExactly(4, 8, 10, 14, 15);
    }

    @Test
    void aTextOfOneTokenHasNothingToScore() {
        assertThatThrownBy(() -> score(4, FakeScorer.remembering(1), new int[1], new SlidingWindows(4, 2)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("1 token(s), and scoring needs 2");
    }

    @Test
    void windowsThatCannotSlideAreRefused() {
        assertThatThrownBy(() -> new SlidingWindows(0, 1)).hasMessageContaining("at least 1 token, not 0");
        assertThatThrownBy(() -> new SlidingWindows(8, 0)).hasMessageContaining("within 1 and the window's 8 tokens");
        assertThatThrownBy(() -> new SlidingWindows(8, 9)).hasMessageContaining("not 9");
    }
}
