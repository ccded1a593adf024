package dev.hydrallm.engine.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.engine.Selection;
import dev.hydrallm.engine.torch.TorchChoice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AddLifecycleHook;
import net.jqwik.api.lifecycle.AfterProperty;

/** The choice of tokens from given logits, against the rules' definitions in double precision and against libtorch's. */
@AddLifecycleHook(OnlyWithKernels.class)
class TokenChoiceTest {
    /** Shares of probability that single precision may tell apart wrongly. */
    private static final double ROUNDING = 1e-5;

    /** The logarithm of the least probability that the kernels tell from 0: below it there are no normal numbers. */
    private static final double LEAST = -87;

    private static final DraftTree TREE =
            DraftTree.of(List.of(List.of(0), List.of(1), List.of(0, 0), List.of(0, 1), List.of(0, 0, 0)));

    private final Kernels kernels = Kernels.ofProcessor().orElseThrow();
    private final TorchChoice torch = new TorchChoice();

    @AfterProperty
    void close() {
        torch.close();
    }

    /** Token and score of each row. */
    private double[] choose(Selection.Part part, float[] logits, int... tokens) {
        try (Arena arena = Arena.ofConfined()) {
            double[] chosen = new double[2 * tokens.length];
            MemorySegment rows = arena.allocateFrom(ValueLayout.JAVA_FLOAT, logits);
            new TokenChoice(kernels, logits.length / tokens.length, arena).choose(part, rows, tokens, chosen, 0);
            return chosen;
        }
    }

    private static float[] logits(Random random, int count, double spread) {
        float[] logits = new float[count];
        for (int i = 0; i < count; i++) {
            logits[i] = (float) (spread * random.nextGaussian());
        }
        return logits;
    }

    @Provide
    Arbitrary<AcceptanceRule.Sampled> sampled() {
        return Combinators.combine(
                        Arbitraries.doubles().between(0.1, 3),
                        Arbitraries.oneOf(
                                Arbitraries.just(0), Arbitraries.integers().between(1, 60)),
                        Arbitraries.oneOf(
                                Arbitraries.just(1.0), Arbitraries.doubles().between(0.01, 0.99)),
                        Arbitraries.oneOf(
                                Arbitraries.just(0.0), Arbitraries.doubles().between(0.01, 0.5)),
                        Arbitraries.longs())
                .as(AcceptanceRule.Sampled::new);
    }

    @Property(tries = 300)
    void greedyTakesTheFirstOfTheLargest(
            @ForAll @IntRange(min = 1, max = 700) int vocabulary, @ForAll @IntRange(min = 1, max = 40) int different) {
        Random random = new Random(vocabulary);
        float[] logits = new float[TREE.nodes() * vocabulary];
        for (int i = 0; i < logits.length; i++) {
            logits[i] = random.nextInt(different) - different;
        }
        Selection.Part part = new Selection.Part(new AcceptanceRule.Greedy(), TREE, 3);
        int[] tokens = new int[TREE.nodes()];
        double[] chosen = choose(part, logits, tokens);
        for (int row = 0; row < tokens.length; row++) {
            float[] own = Arrays.copyOfRange(logits, row * vocabulary, (row + 1) * vocabulary);
            int first = 0;
            for (int token = 1; token < vocabulary; token++) {
                first = own[token] > own[first] ? token : first;
            }
            assertThat((int) chosen[2 * row]).isEqualTo(first);
        }
    }

    @Property(tries = 400)
    void aDrawIsWhereTheDistributionThatIsLeftPassesTheUniformNumber(
            @ForAll("sampled") AcceptanceRule.Sampled rule,
            @ForAll @IntRange(min = 1, max = 600) int vocabulary,
            @ForAll @IntRange(min = 1, max = 4) int spread) {
        float[] logits = logits(new Random(vocabulary), TREE.nodes() * vocabulary, spread);
        Selection.Part part = new Selection.Part(rule, TREE, vocabulary);
        int[] tokens = new int[TREE.nodes()];
        double[] chosen = choose(part, logits, tokens);
        double[] libtorch = torch.choose(part, logits, tokens);
        for (int row = 0; row < tokens.length; row++) {
            Left left = Left.of(Arrays.copyOfRange(logits, row * vocabulary, (row + 1) * vocabulary), rule);
            if (left.certain()) {
                assertThat(left.distance((int) chosen[2 * row], part.uniform(row)))
                        .as("row %d", row)
                        .isLessThan(ROUNDING);
                assertThat(left.distance((int) libtorch[2 * row], part.uniform(row)))
                        .as("row %d of libtorch", row)
                        .isLessThan(ROUNDING);
            }
        }
    }

    /**
     * What cuts leave of a distribution.
     *
     * @param p of each token, their sum 1
     * @param certain whether no cut is so close that rounding decides
     */
    private record Left(double[] p, boolean certain) {
        static Left of(float[] logits, AcceptanceRule.Sampled rule) {
            double largest = Double.NEGATIVE_INFINITY;
            for (float each : logits) {
                largest = Math.max(largest, each);
            }
            double[] p = new double[logits.length];
            for (int i = 0; i < p.length; i++) {
                p[i] = Math.exp((logits[i] - largest) / rule.temperature());
            }
            double sum = Arrays.stream(p).sum();
            Arrays.setAll(p, i -> p[i] / sum);
            List<Integer> order = IntStream.range(0, p.length)
                    .boxed()
                    .sorted(Comparator.comparingDouble(token -> -p[token]))
                    .limit(rule.topK() == 0 ? p.length : rule.topK())
                    .toList();
            double all = order.stream().mapToDouble(token -> p[token]).sum();
            double[] left = new double[p.length];
            double before = 0;
            boolean certain = true;
            for (int token : order) {
                double nearestP = p[token] / p[order.getFirst()] - rule.minP();
                certain &= rule.topP() == 1 || Math.abs(before - rule.topP() * all) > ROUNDING;
                certain &= rule.minP() == 0 || Math.abs(nearestP) > ROUNDING;
                if (before < rule.topP() * all && nearestP >= 0) {
                    left[token] = p[token];
                }
                before += p[token];
            }
            double kept = Arrays.stream(left).sum();
            Arrays.setAll(left, i -> left[i] / kept);
            return new Left(left, certain);
        }

        /** How far a uniform number is from the part of the distribution function that belongs to a token. */
        double distance(int token, double uniform) {
            double below = Arrays.stream(p, 0, token).sum();
            double outside = Math.max(below - uniform, uniform - below - p[token]);
            return p[token] == 0 ? Double.POSITIVE_INFINITY : Math.max(0, outside);
        }
    }

    @Example
    void drawsHaveTheDistributionThatIsLeft() {
        int vocabulary = 40;
        int samples = 20_000;
        float[] logits = logits(new Random(4), vocabulary, 1.5);
        AcceptanceRule.Sampled cut = new AcceptanceRule.Sampled(0.9, 30, 0.97, 0.01, 0);
        double[] expected = Left.of(logits, cut).p();
        int[] counts = new int[vocabulary];
        for (int seed = 0; seed < samples; seed++) {
            AcceptanceRule.Sampled rule = new AcceptanceRule.Sampled(0.9, 30, 0.97, 0.01, seed);
            counts[(int) choose(new Selection.Part(rule, DraftTree.ROOT_ONLY, 9), logits, 0)[0]]++;
        }
        double chiSquare = 0;
        int freedom = -1;
        for (int token = 0; token < vocabulary; token++) {
            if (expected[token] == 0) {
                assertThat(counts[token]).as("token %d is cut away", token).isZero();
            } else {
                double mean = samples * expected[token];
                chiSquare += Math.pow(counts[token] - mean, 2) / mean;
                freedom++;
            }
        }
        // The value of p = 0.001 by Wilson and Hilferty's approximation.
        double ninth = 2.0 / (9 * freedom);
        assertThat(chiSquare).isLessThan(freedom * Math.pow(1 - ninth + 3.09 * Math.sqrt(ninth), 3));
        assertThat(freedom).isBetween(10, vocabulary - 2);
    }

    @Property(tries = 300)
    void typicalAcceptanceIsLibtorchs(
            @ForAll @IntRange(min = 1, max = 600) int vocabulary,
            @ForAll @IntRange(min = 1, max = 40) int temperature,
            @ForAll @IntRange(min = 0, max = 10) int threshold,
            @ForAll @IntRange(min = 0, max = 10) int alpha) {
        Random random = new Random(vocabulary);
        float[] logits = logits(random, TREE.nodes() * vocabulary, 2);
        var rule = new AcceptanceRule.Typical(temperature / 10.0, threshold / 10.0, alpha / 10.0);
        Selection.Part part = new Selection.Part(rule, TREE, 3);
        int[] tokens = random.ints(TREE.nodes(), 0, vocabulary).toArray();
        double[] found = choose(part, logits, tokens);
        double[] expected = torch.choose(part, logits, tokens);
        for (int row = 0; row < tokens.length; row++) {
            assertThat(found[2 * row]).as("token of row %d", row).isEqualTo(expected[2 * row]);
            double score = expected[2 * row + 1];
            if (row > 0 && score > LEAST) {
                assertThat(found[2 * row + 1]).as("score of row %d", row).isCloseTo(score, within(1e-4));
            } else if (row > 0) {
                assertThat(found[2 * row + 1]).as("score of row %d", row).isLessThan(LEAST + 1);
            }
        }
    }

    @Example
    void logitsThatAreNoNumbersAreToldByTheScore() {
        int vocabulary = 300;
        int[] tokens = new int[TREE.nodes()];
        float[] logits = logits(new Random(5), TREE.nodes() * vocabulary, 2);
        Arrays.fill(logits, 0, vocabulary, Float.NaN);
        Arrays.fill(logits, vocabulary, 2 * vocabulary, Float.NEGATIVE_INFINITY);
        Arrays.fill(logits, 2 * vocabulary, 3 * vocabulary, 0);
        logits[3 * vocabulary + 256] = Float.POSITIVE_INFINITY;
        logits[4 * vocabulary] = Float.NaN;
        for (AcceptanceRule rule : List.of(
                new AcceptanceRule.Greedy(),
                new AcceptanceRule.Sampled(0.7, 10, 0.9, 0.05, 1),
                new AcceptanceRule.Typical(0.7, 0.09, 0.3))) {
            double[] chosen = choose(new Selection.Part(rule, TREE, 3), logits, tokens);
            for (int row = 0; row < tokens.length; row++) {
                assertThat(chosen[2 * row]).as("%s, row %d", rule, row).isBetween(0.0, vocabulary - 1.0);
                boolean choosable = row == 2 || row == 5;
                assertThat(Double.isNaN(chosen[2 * row + 1]))
                        .as("%s, row %d", rule, row)
                        .isEqualTo(!choosable);
            }
        }
    }
}
