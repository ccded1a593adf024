package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class AcceptanceRuleTest {
    @Provide
    Arbitrary<DraftTree> trees() {
        return Trees.upTo(32, 4, 4);
    }

    /** Every way down from the root, the root's own included. */
    private static List<int[]> allPaths(DraftTree tree) {
        List<int[]> paths = new ArrayList<>();
        for (int last = 0; last < tree.nodes(); last++) {
            int[] path = new int[tree.depth(last) + 1];
            for (int node = last; node >= 0; node = tree.parent(node)) {
                path[tree.depth(node)] = node;
            }
            paths.add(path);
        }
        return paths;
    }

    @Property
    void greedyTakesTheLongestPathOfConfirmedTokens(@ForAll("trees") DraftTree tree, @ForAll long seed) {
        Random random = new Random(seed);
        int[] tokens = new int[tree.nodes()];
        for (int node = 1; node < tokens.length; node++) {
            tokens[node] = tree.rank(node); // siblings differ, as a head's candidates do
        }
        int[] next = random.ints(tree.nodes(), 0, 4).toArray();
        int longest = allPaths(tree).stream()
                .filter(path -> confirmed(path, tokens, next))
                .mapToInt(path -> path.length)
                .max()
                .orElseThrow();
        int[] path = new AcceptanceRule.Greedy().accept(tree, tokens, new Verdict(next, new float[0]));
        assertThat(confirmed(path, tokens, next)).isTrue();
        assertThat(path).hasSize(longest);
    }

    private static boolean confirmed(int[] path, int[] tokens, int[] next) {
        for (int i = 1; i < path.length; i++) {
            if (tokens[path[i]] != next[path[i - 1]]) {
                return false;
            }
        }
        return true;
    }

    @Property
    void typicalTakesTheLongestThenTheLikeliestThenTheLastPath(@ForAll("trees") DraftTree tree, @ForAll long seed) {
        Random random = new Random(seed);
        float[] scores = new float[tree.nodes()];
        for (int node = 0; node < scores.length; node++) {
            // Few different scores, so that ties come about.
            scores[node] = random.nextInt(3) == 0 ? Float.NEGATIVE_INFINITY : -random.nextInt(3);
        }
        int[] best = {0};
        double bestSum = 0;
        for (int[] path : allPaths(tree)) {
            double sum = 0;
            for (int i = 1; i < path.length; i++) {
                sum += scores[path[i]];
            }
            boolean open = sum != Double.NEGATIVE_INFINITY;
            if (open && (path.length > best.length || (path.length == best.length && sum >= bestSum))) {
                best = path;
                bestSum = sum;
            }
        }
        int[] path = new AcceptanceRule.Typical(0.7, 0.09, 0.3)
                .accept(tree, new int[tree.nodes()], new Verdict(new int[tree.nodes()], scores));
        assertThat(path).containsExactly(best);
    }

    @Test
    void aTokenOfIdZeroIsAcceptedOnlyWhereItIsDrafted() {
        // The seed pads short rows with token 0, so an argmax of 0 "accepts" a pad (SEED B5).
        DraftTree tree = DraftTree.of(List.of(List.of(0), List.of(1), List.of(1, 0)));
        int[] tokens = {7, 5, 0, 0};
        Verdict verdict = new Verdict(new int[] {5, 0, 0, 0}, new float[0]);
        assertThat(new AcceptanceRule.Greedy().accept(tree, tokens, verdict)).containsExactly(0, 1);
        Verdict zeroes = new Verdict(new int[] {0, 0, 0, 0}, new float[0]);
        assertThat(new AcceptanceRule.Greedy().accept(tree, tokens, zeroes)).containsExactly(0, 2, 3);
    }

    @Test
    void uniformNumbersDependOnSeedAndPositionAlone() {
        var rule = new AcceptanceRule.Sampled(1, 0, 1, 0, 42);
        assertThat(rule.uniform(5)).isEqualTo(new AcceptanceRule.Sampled(0.5, 3, 0.9, 0, 42).uniform(5));
        assertThat(rule.uniform(5)).isNotEqualTo(rule.uniform(6));
        assertThat(rule.uniform(5)).isNotEqualTo(new AcceptanceRule.Sampled(1, 0, 1, 0, 43).uniform(5));
        double[] numbers = new double[20_000];
        Arrays.setAll(numbers, rule::uniform);
        int[] bins = new int[20];
        Arrays.stream(numbers).forEach(u -> bins[(int) (u * 20)]++);
        double chiSquare = Arrays.stream(bins)
                .mapToDouble(count -> Math.pow(count - 1000, 2) / 1000)
                .sum();
        assertThat(chiSquare).isLessThan(43.8); // 19 degrees of freedom, p = 0.001
    }

    @Test
    void settingsOutOfRangeAreRefusedByName() {
        assertThatThrownBy(() -> new AcceptanceRule.Sampled(0, 0, 1, 0, 0)).hasMessageContaining("temperature");
        assertThatThrownBy(() -> new AcceptanceRule.Sampled(Double.NaN, 0, 1, 0, 0))
                .hasMessageContaining("temperature");
        assertThatThrownBy(() -> new AcceptanceRule.Sampled(1, -1, 1, 0, 0)).hasMessageContaining("top_k");
        assertThatThrownBy(() -> new AcceptanceRule.Sampled(1, 0, 0, 0, 0)).hasMessageContaining("top_p");
        assertThatThrownBy(() -> new AcceptanceRule.Sampled(1, 0, 1, 1, 0)).hasMessageContaining("min_p");
        assertThatThrownBy(() -> new AcceptanceRule.Typical(1, 2, 0.3)).hasMessageContaining("posterior_threshold");
        assertThatThrownBy(() -> new AcceptanceRule.Typical(1, 0.1, -1)).hasMessageContaining("posterior_alpha");
    }
}
