package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.evaluation.HeadAccuracy.Text;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class HeadAccuracyTest {
    private static final int RANKS = 3;

    @Provide
    Arbitrary<SlidingWindows> windows() {
        return Arbitraries.integers()
                .between(1, 30)
                .flatMap(size ->
                        Arbitraries.integers().between(1, size).map(stride -> new SlidingWindows(size, stride)));
    }

    private static Text text(int tokens, long seed) {
        Random random = new Random(seed);
        int[] ids = random.ints(tokens, 0, FakeDraftReader.VOCABULARY).toArray();
        boolean[] labelled = new boolean[tokens];
        for (int i = 0; i < tokens; i++) {
            labelled[i] = random.nextInt(4) > 0;
        }
        return new Text(ids, labelled);
    }

    /** What a window shows of the text's first {@code tokens}: the first window that ends behind them. */
    private static List<Integer> shown(Text text, SlidingWindows windows, int tokens) {
        int begin = windows.stride() * Math.ceilDiv(Math.max(0, tokens - windows.size()), windows.stride());
        return Arrays.stream(text.tokens(), begin, tokens).boxed().toList();
    }

    private static long[][][] naive(List<Text> texts, SlidingWindows windows, int heads) {
        long[][][] hits = new long[2][heads][RANKS];
        for (Text text : texts) {
            for (int head = 0; head < heads; head++) {
                for (int place = 2 + head; place < text.tokens().length; place++) {
                    if (text.labelled()[place]) {
                        int[] guesses = FakeDraftReader.guesses(shown(text, windows, place - 1 - head), head, RANKS);
                        int choice = FakeDraftReader.next(shown(text, windows, place));
                        for (int rank = 0; rank < RANKS; rank++) {
                            hits[0][head][rank] += guesses[rank] == text.tokens()[place] ? 1 : 0;
                            hits[1][head][rank] += guesses[rank] == choice ? 1 : 0;
                        }
                    }
                }
            }
        }
        return hits;
    }

    @Property(tries = 300)
    void everyHeadIsComparedOnceWithEveryLabelledTokenThatItGuesses(
            @ForAll("windows") SlidingWindows windows,
            @ForAll @IntRange(min = 2, max = 90) int first,
            @ForAll @IntRange(min = 2, max = 20) int second,
            @ForAll @IntRange(min = 1, max = 40) int chunk,
            @ForAll @IntRange(min = 1, max = 5) int heads,
            @ForAll long seed) {
        List<Text> texts = List.of(text(first, seed), text(second, seed + 1));
        List<Integer> told = new ArrayList<>();
        HeadAccuracy measured = HeadAccuracy.of(new FakeDraftReader(chunk, heads), texts, windows, RANKS, told::add);
        long[][][] expected = naive(texts, windows, heads);
        for (int head = 0; head < heads; head++) {
            int skipped = 2 + head;
            long asked = texts.stream()
                    .mapToLong(text -> java.util.stream.IntStream.range(0, text.tokens().length)
                            .filter(place -> place >= skipped && text.labelled()[place])
                            .count())
                    .sum();
            assertThat(measured.ofText().get(head))
                    .isEqualTo(new RankHits(
                            asked, Arrays.stream(expected[0][head]).boxed().toList()));
            assertThat(measured.ofBase().get(head))
                    .isEqualTo(new RankHits(
                            asked, Arrays.stream(expected[1][head]).boxed().toList()));
        }
        long baseHits = 0;
        long tokens = 0;
        for (Text text : texts) {
            for (int place = 1; place < text.tokens().length; place++) {
                boolean right = FakeDraftReader.next(shown(text, windows, place)) == text.tokens()[place];
                tokens += text.labelled()[place] ? 1 : 0;
                baseHits += text.labelled()[place] && right ? 1 : 0;
            }
        }
        assertThat(measured.tokens()).isEqualTo(tokens);
        assertThat(measured.base()).isEqualTo(new RankHits(tokens, List.of(baseHits)));
        assertThat(told).isSorted().last().isEqualTo(first + second - 2);
    }

    @Test
    void aTextOfOneTokenHasNothingToAsk() {
        assertThatThrownBy(() -> HeadAccuracy.of(
                        new FakeDraftReader(3, 1), List.of(Text.whole(1)), new SlidingWindows(4, 2), RANKS, done -> {}))
                .hasMessageContaining("scoring needs 2");
    }

    @Test
    void sharesAreSumsOfRanksAndTheirIntervalsAreWilsons() {
        RankHits hits = new RankHits(10, List.of(5L, 2L, 3L));
        assertThat(hits.within(2)).isEqualTo(7);
        assertThat(hits.top(1)).isEqualTo(0.5);
        assertThat(hits.top(3)).isEqualTo(1);
        // 5 of 10: Wilson's interval is 0.2366 to 0.7634 (Brown, Cai, DasGupta 2001).
        assertThat(hits.interval(1).low()).isCloseTo(0.2366, within(5e-5));
        assertThat(hits.interval(1).high()).isCloseTo(0.7634, within(5e-5));
        // All of 10: 10 / (10 + 1.96²) to 1.
        assertThat(hits.interval(3).low()).isCloseTo(0.7225, within(5e-5));
        assertThat(hits.interval(3).high()).isCloseTo(1, within(1e-12));
        RankHits none = new RankHits(0, List.of(0L));
        assertThat(none.top(1)).isZero();
        assertThat(none.interval(1)).isEqualTo(new RankHits.Interval(0, 1));
    }
}
