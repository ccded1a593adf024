package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.AfterParameterizedClassInvocation;
import org.junit.jupiter.params.BeforeParameterizedClassInvocation;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** What the engine samples, against the distribution of a naive model over a vocabulary of seven. */
@ParameterizedClass
@EnumSource(
        value = Kind.class,
        names = {"KERNELS", "TORCH"})
class SelectionTest {
    @Parameter
    @SuppressWarnings("UnusedVariable") // what is loaded before each invocation is told it only where a field takes it
    private Kind kind = Kind.AUTO;

    private static final int VOCABULARY = 7;
    /** Samples that are drawn at once, as requests that run together: one alone takes libtorch nearly as long as all of them. */
    private static final int TOGETHER = 8;

    private static final int[] PROMPT = {1, 5, 2};
    private static final DraftTree TREE = DraftTree.of(
            List.of(List.of(0), List.of(1), List.of(2), List.of(0, 0), List.of(0, 1), List.of(1, 0), List.of(1, 1)));

    /** Every token at depth 1 and half of them at depth 2: walks end at every depth. */
    private static final DraftTree WIDE = DraftTree.of(IntStream.range(0, VOCABULARY)
            .boxed()
            .flatMap(first -> Stream.concat(
                    Stream.of(List.of(first)), IntStream.range(0, 4).mapToObj(second -> List.of(first, second))))
            .toList());

    @TempDir
    static Path folder;

    @SuppressWarnings("NullAway.Init") // loaded for each kind
    private static PackedModel pack;

    @SuppressWarnings("NullAway.Init") // loaded for each kind
    private static ModelEngine engine;

    @SuppressWarnings("NullAway.Init") // loaded for each kind
    private static ReferenceModel reference;

    @BeforeParameterizedClassInvocation
    static void load(Kind kind) {
        pack = TinyPack.write(
                folder.resolve(kind.name()),
                new Architecture(VOCABULARY, 8, 12, 2, 2, 1, 4, 1e-5, 10_000, 32, true),
                new DraftLayout(2, 1, 1, false),
                Kinds.exactest(kind),
                kind == Kind.TORCH ? 0.45 : 0.3); // codes' scales make the same spread half as large again
        engine = Kinds.load(pack, EngineOptions.DEFAULT.withSlots(TOGETHER), kind);
        reference = Kinds.reference(kind, pack);
    }

    @AfterParameterizedClassInvocation
    static void close() {
        engine.close();
        pack.close();
    }

    private static double[] softmax(double[] logits, double temperature) {
        double[] p = Arrays.stream(logits).map(l -> Math.exp(l / temperature)).toArray();
        double sum = Arrays.stream(p).sum();
        return Arrays.stream(p).map(v -> v / sum).toArray();
    }

    /** What rules of so many seeds give, in the order of the seeds. */
    private static List<Sequence> sampled(int samples, IntFunction<AcceptanceRule> rule, DraftTree tree, int tokens) {
        SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
        List<Sequence> all = new ArrayList<>();
        for (int seed = 0; seed < samples; ) {
            KvSlots slots = new KvSlots(TOGETHER);
            List<Sequence> together = new ArrayList<>();
            for (; together.size() < TOGETHER && seed < samples; seed++) {
                Sequence sequence = Decoding.sequence(slots, PROMPT, tree, rule.apply(seed), Decoding.tokens(tokens));
                decoder.prefill(sequence);
                together.add(sequence);
            }
            while (together.stream().anyMatch(each -> each.finished().isEmpty())) {
                decoder.step(together);
            }
            all.addAll(together);
        }
        return all;
    }

    @Test
    void theSampledTreeWalkHasTheDistributionOfTheBase() {
        double temperature = 0.9;
        int samples = 6000;
        double[] expected = new double[VOCABULARY * VOCABULARY];
        double[] first = softmax(reference.logits(PROMPT)[0], temperature);
        for (int a = 0; a < VOCABULARY; a++) {
            int[] longer = Arrays.copyOf(PROMPT, PROMPT.length + 1);
            longer[PROMPT.length] = a;
            double[] second = softmax(reference.logits(longer)[0], temperature);
            for (int b = 0; b < VOCABULARY; b++) {
                expected[a * VOCABULARY + b] = samples * first[a] * second[b];
            }
        }
        int[] counts = new int[expected.length];
        int accepted = 0;
        for (Sequence sequence :
                sampled(samples, seed -> new AcceptanceRule.Sampled(temperature, 0, 1, 0, seed), TREE, 2)) {
            int[] output = sequence.output();
            counts[output[0] * VOCABULARY + output[1]]++;
            accepted += sequence.statistics().acceptedDrafts();
        }
        assertThat(accepted).as("drafts that the walk went along").isGreaterThan(samples / 10);
        assertThat(chiSquare(counts, expected)).isLessThan(critical(expected));
    }

    @Test
    void twoDraftsDeepAndCutItStillHasTheDistributionOfTheBase() {
        var cut = new Cut(5, 0.93, 0.04);
        int samples = 3000;
        double[] expected = new double[VOCABULARY * VOCABULARY * VOCABULARY];
        spread(PROMPT, samples, cut, expected, 0);
        int[] counts = new int[expected.length];
        int deep = 0;
        for (Sequence sequence : sampled(samples, seed -> cut.rule(77_000L + seed), WIDE, 3)) {
            int[] output = sequence.output();
            counts[(output[0] * VOCABULARY + output[1]) * VOCABULARY + output[2]]++;
            deep += sequence.statistics().acceptLengths().getFirst() == 2 ? 1 : 0;
        }
        assertThat(deep).as("walks down to the second draft").isGreaterThan(samples / 20);
        for (int i = 0; i < counts.length; i++) {
            assertThat(expected[i] > 0 || counts[i] == 0)
                    .as("cell %d is cut away", i)
                    .isTrue();
        }
        assertThat(chiSquare(counts, expected)).isLessThan(critical(expected));
    }

    /** Fills in how often each way on from {@code seen} is expected, of {@code mass} samples that got here. */
    private static void spread(int[] seen, double mass, Cut cut, double[] expected, int cell) {
        double[] p = cut.of(softmax(reference.logits(seen)[0], 1));
        boolean last = seen.length == PROMPT.length + 2;
        for (int token = 0; token < VOCABULARY; token++) {
            int next = cell * VOCABULARY + token;
            if (last) {
                expected[next] = mass * p[token];
            } else if (p[token] > 0) {
                int[] longer = Arrays.copyOf(seen, seen.length + 1);
                longer[seen.length] = token;
                spread(longer, mass * p[token], cut, expected, next);
            }
        }
    }

    /** Cells of few expected samples are put together, as the test's approximation asks. */
    private static double chiSquare(int[] counts, double[] expected) {
        double sum = 0;
        double restExpected = 0;
        int rest = 0;
        for (int i = 0; i < counts.length; i++) {
            if (expected[i] < 5) {
                restExpected += expected[i];
                rest += counts[i];
            } else {
                sum += Math.pow(counts[i] - expected[i], 2) / expected[i];
            }
        }
        return restExpected < 5 ? sum : sum + Math.pow(rest - restExpected, 2) / restExpected;
    }

    /** The chi-square value of p = 0.001, by Wilson and Hilferty's approximation. */
    private static double critical(double[] expected) {
        long freedom = Arrays.stream(expected).filter(e -> e >= 5).count();
        double ninth = 2.0 / (9 * freedom);
        return freedom * Math.pow(1 - ninth + 3.09 * Math.sqrt(ninth), 3);
    }

    @Test
    void cutsLeaveOnlyTheTokensTheyShould() {
        double[] p = softmax(reference.logits(PROMPT)[0], 1);
        Integer[] order = {0, 1, 2, 3, 4, 5, 6};
        Arrays.sort(order, (a, b) -> Double.compare(p[b], p[a]));
        assertThat(seen(new Cut(2, 1, 0))).containsExactlyInAnyOrder(order[0], order[1]);
        assertThat(seen(new Cut(1, 1, 0))).containsExactly(order[0]);
        double half = p[order[0]] + p[order[1]] + p[order[2]] / 2;
        assertThat(seen(new Cut(0, half, 0))).containsExactlyInAnyOrder(order[0], order[1], order[2]);
        assertThat(seen(new Cut(0, 1e-9, 0))).containsExactly(order[0]);
        double ratio = (p[order[2]] + p[order[3]]) / 2 / p[order[0]];
        assertThat(seen(new Cut(0, 1, ratio))).containsExactlyInAnyOrder(order[0], order[1], order[2]);
        assertThat(seen(new Cut(100, 1, 0))).hasSize(VOCABULARY);
    }

    record Cut(int topK, double topP, double minP) {
        AcceptanceRule rule(long seed) {
            return new AcceptanceRule.Sampled(1, topK, topP, minP, seed);
        }

        /** The distribution that is left, by definition: top-k, of that top-p, of that min-p. */
        double[] of(double[] p) {
            List<Integer> order = IntStream.range(0, p.length)
                    .boxed()
                    .sorted(Comparator.comparingDouble(token -> -p[token]))
                    .limit(topK)
                    .toList();
            double all = order.stream().mapToDouble(token -> p[token]).sum();
            double[] left = new double[p.length];
            double mass = 0;
            for (int token : order) {
                if (mass < topP * all && p[token] >= minP * p[order.getFirst()]) {
                    left[token] = p[token];
                }
                mass += p[token];
            }
            double sum = Arrays.stream(left).sum();
            return Arrays.stream(left).map(value -> value / sum).toArray();
        }
    }

    private static List<Integer> seen(Cut cut) {
        return sampled(600, cut::rule, DraftTree.ROOT_ONLY, 1).stream()
                .map(sequence -> sequence.output()[0])
                .distinct()
                .toList();
    }

    @Test
    void theTextOfASeedDoesNotDependOnTheTree() {
        for (long seed = 0; seed < 20; seed++) {
            var rule = new AcceptanceRule.Sampled(1, 0, 0.95, 0, seed);
            int[] plain = Decoding.run(engine, PROMPT, DraftTree.ROOT_ONLY, rule, Decoding.tokens(24))
                    .output();
            for (int nodes : new int[] {2, 4, 8}) {
                assertThat(Decoding.run(engine, PROMPT, TREE.first(nodes), rule, Decoding.tokens(24))
                                .output())
                        .containsExactly(plain);
            }
        }
    }
}
