package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.evaluation.ModelComparison.Divergence;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class ModelComparisonTest {
    private static final SlidingWindows WINDOWS = new SlidingWindows(8, 5);
    private static final int[] TEXT =
            new Random(3).ints(60, 0, FakeScorer.VOCABULARY).toArray();

    private static ModelComparison compare(
            Function<List<Integer>, double[]> first, Function<List<Integer>, double[]> second) {
        // Chunks of different sizes, as models of different machines could have.
        return ModelComparison.of(new FakeScorer(3, first), new FakeScorer(4, second), TEXT, WINDOWS, done -> {});
    }

    private static double[] logs(double... probabilities) {
        return Arrays.stream(probabilities).map(Math::log).toArray();
    }

    @Test
    void aModelIsNotFarFromItself() {
        ModelComparison comparison = compare(FakeScorer.remembering(9), FakeScorer.remembering(9));
        assertThat(comparison.divergence()).isEqualTo(new Divergence(0, 0, 0, 0));
        assertThat(comparison.agreement()).isEqualTo(1);
        assertThat(comparison.first()).isEqualTo(comparison.second());
    }

    @Test
    void perplexitiesAreThoseOfEachModelAlone() {
        ModelComparison comparison = compare(FakeScorer.remembering(9), FakeScorer.remembering(2));
        assertThat(comparison.first())
                .isEqualTo(Perplexity.of(new FakeScorer(3, FakeScorer.remembering(9)), TEXT, WINDOWS, done -> {}));
        assertThat(comparison.second())
                .isEqualTo(Perplexity.of(new FakeScorer(3, FakeScorer.remembering(2)), TEXT, WINDOWS, done -> {}));
        assertThat(comparison.divergence().mean()).isPositive();
    }

    @Test
    void handMadeDistributionsHaveTheDivergencesThatPaperSays() {
        double[] p = logs(1 / 2.0, 1 / 4.0, 1 / 4.0);
        double[] q = logs(1 / 4.0, 1 / 2.0, 1 / 4.0);
        assertThat(ModelComparison.divergence(p, q)).isCloseTo(Math.log(2) / 4, within(1e-15));
        // Not the same both ways.
        double[] sure = logs(1, 0, 0);
        assertThat(ModelComparison.divergence(sure, p)).isCloseTo(Math.log(2), within(1e-15));
        assertThat(ModelComparison.divergence(p, sure)).isInfinite();
    }

    @Test
    void agreementIsTheShareOfTokensWithTheSameFavourite() {
        double[] first = logs(0.6, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05);
        double[] second = logs(0.1, 0.6, 0.1, 0.05, 0.05, 0.05, 0.05);
        ModelComparison comparison = compare(read -> first, read -> read.getLast() < 2 ? first : second);
        double same = Arrays.stream(TEXT, 0, TEXT.length - 1)
                .filter(token -> token < 2)
                .count();
        assertThat(comparison.agreement()).isEqualTo(same / (TEXT.length - 1));
        assertThat(comparison.divergence().maximum()).isCloseTo(0.5 * Math.log(6), within(1e-12));
        assertThat(comparison.divergence().mean())
                .isCloseTo(0.5 * Math.log(6) * (1 - comparison.agreement()), within(1e-12));
    }

    @Test
    void divergencesAreSummedUpByRank() {
        double[] oneToHundred = IntStream.rangeClosed(1, 100)
                .mapToDouble(i -> 1 + (37 * i) % 100)
                .toArray();
        assertThat(Divergence.of(oneToHundred)).isEqualTo(new Divergence(50.5, 50, 99, 100));
        assertThat(Divergence.of(3)).isEqualTo(new Divergence(3, 3, 3, 3));
    }

    @Property
    void aDivergenceIsNeverNegativeAndNothingOnlyBetweenEquals(
            @ForAll @Size(5) List<@DoubleRange(min = 0.01, max = 1) Double> first,
            @ForAll @Size(5) List<@DoubleRange(min = 0.01, max = 1) Double> second) {
        double[] p = normalized(first);
        double[] q = normalized(second);
        assertThat(ModelComparison.divergence(p, p)).isZero();
        double distance = 0;
        for (int i = 0; i < p.length; i++) {
            distance += Math.abs(Math.exp(p[i]) - Math.exp(q[i]));
        }
        // Pinsker's inequality.
        assertThat(ModelComparison.divergence(p, q)).isGreaterThanOrEqualTo(distance * distance / 2 - 1e-12);
    }

    private static double[] normalized(List<Double> weights) {
        double sum = weights.stream().mapToDouble(Double::doubleValue).sum();
        return weights.stream().mapToDouble(weight -> Math.log(weight / sum)).toArray();
    }
}
