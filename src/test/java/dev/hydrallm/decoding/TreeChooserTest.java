package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntToDoubleFunction;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** A text whose drafts pass as often as is said here, on a machine whose steps cost what is said here. */
class TreeChooserTest {
    private static final DraftTree TREE = DraftTree.of(
            List.of(List.of(0), List.of(0, 0), List.of(1), List.of(0, 0, 0), List.of(2), List.of(0, 1), List.of(1, 0)));
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final DoubleUnaryOperator AS_THEY_SAY = DoubleUnaryOperator.identity();
    private static final long PLAIN = 1_000;
    private static final int ALL = 1_000;

    private final Random random = new Random(5);
    private final Experience experience = new Experience();
    private final StepCosts costs = experience.costs();
    private TreeChooser chooser = new TreeChooser(TREE, GREEDY, experience);

    /** What every head gives each rank. */
    private static Drafts sure(DraftShape wanted, IntToDoubleFunction ofRank) {
        int[][] tokens = new int[wanted.heads()][wanted.ranks()];
        float[][] probabilities = new float[wanted.heads()][wanted.ranks()];
        for (float[] head : probabilities) {
            for (int rank = 0; rank < head.length; rank++) {
                head[rank] = (float) ofRank.applyAsDouble(rank);
            }
        }
        return new Drafts(tokens, probabilities);
    }

    /**
     * Steps.
     *
     * @param pass of a node whose parent was accepted: how often it is, by what its head gives it
     * @return the nodes of each
     */
    private int[] steps(int count, Text text, DoubleUnaryOperator pass, double costOfNode, long draft) {
        int[] nodes = new int[count];
        DraftShape wanted = chooser.wanted();
        for (int step = 0; step < count; step++) {
            int now = step;
            Drafts drafts = sure(wanted, rank -> text.confidence(now, rank));
            DraftTree tree = chooser.choose(drafts, ALL, ALL);
            costs.verified(tree.nodes(), PLAIN + (long) (costOfNode * (tree.nodes() - 1)));
            chooser.observe(accepted(tree, node -> pass.applyAsDouble(text.confidence(now, tree.rank(node)))));
            wanted = chooser.wanted();
            if (wanted.ranks() > 0) {
                costs.drafted(wanted.heads(), draft);
            }
            nodes[step] = tree.nodes();
        }
        return nodes;
    }

    /** What a head gives a rank. */
    private interface Text {
        double confidence(int step, int rank);
    }

    private static Text always(IntToDoubleFunction ofRank) {
        return (step, rank) -> ofRank.applyAsDouble(rank);
    }

    /** Mean nodes of the last half of steps whose heads are as right as they say. */
    private double meanNodes(int count, IntToDoubleFunction ofRank, double costOfNode, long draft) {
        return lastHalf(steps(count, always(ofRank), AS_THEY_SAY, costOfNode, draft));
    }

    /** The same of the last of several texts, whose first guesses mostly pass. */
    private double meanNodesOfEasyTexts(int texts, int steps) {
        double nodes = 0;
        for (int text = 0; text < texts; text++) {
            chooser = new TreeChooser(TREE, GREEDY, experience);
            nodes = meanNodes(steps, rank -> rank == 0 ? 0.85 : 0.05, 100, 200);
        }
        return nodes;
    }

    private static double lastHalf(int[] nodes) {
        return Arrays.stream(nodes, nodes.length / 2, nodes.length).average().orElseThrow();
    }

    private int[] accepted(DraftTree tree, IntToDoubleFunction ofNode) {
        List<Integer> path = new ArrayList<>(List.of(0));
        IntUnaryOperator next = parent -> {
            double rest = random.nextDouble();
            for (int node = parent + 1; node < tree.nodes(); node++) {
                if (tree.parent(node) == parent) {
                    rest -= ofNode.applyAsDouble(node);
                    if (rest < 0) {
                        return node;
                    }
                }
            }
            return 0;
        };
        for (int node = next.applyAsInt(0); node > 0; node = next.applyAsInt(node)) {
            path.add(node);
        }
        return path.stream().mapToInt(Integer::intValue).toArray();
    }

    @Test
    void cheapDraftsThatPassAreAllMade() {
        assertThat(meanNodes(400, rank -> 0.6 / (1 << rank), 10, 50)).isGreaterThan(7);
    }

    @Test
    void whereNothingPassesItDecodesPlainly() {
        assertThat(meanNodes(2_000, rank -> 0.02, 300, 300)).isLessThan(1.2);
    }

    @Test
    void dearNodesLeaveTheLikelyOnes() {
        assertThat(meanNodes(600, rank -> rank == 0 ? 0.8 : 0.01, 150, 200)).isBetween(2.0, 5.0);
    }

    @Test
    void whereTheHeadsAreSureItDraftsDeepAndElsewhereLittle() {
        Text mixed = (step, rank) -> rank > 0 ? 0.01 : step % 3 == 0 ? 0.95 : 0.1;
        int[] nodes = steps(3_000, mixed, AS_THEY_SAY, 250, 100);
        int[] sure = IntStream.range(1_000, 3_000)
                .filter(i -> i % 3 == 0)
                .map(i -> nodes[i])
                .toArray();
        int[] unsure = IntStream.range(1_000, 3_000)
                .filter(i -> i % 3 != 0)
                .map(i -> nodes[i])
                .toArray();
        assertThat(Arrays.stream(sure).average().orElseThrow()).isGreaterThan(3.5);
        assertThat(Arrays.stream(unsure).average().orElseThrow()).isLessThan(1.3);
    }

    @Test
    void headsThatAreTooSureAreFoundOut() {
        int[] nodes = steps(2_000, always(rank -> rank == 0 ? 0.9 : 0.02), said -> said / 10, 300, 300);
        assertThat(lastHalf(nodes)).isLessThan(1.4);
    }

    @Test
    void headsThatAreTooDoubtfulAreFoundOut() {
        int[] nodes = steps(4_000, always(rank -> rank == 0 ? 0.3 : 0.01), said -> said == 0.3 ? 0.9 : 0, 200, 100);
        assertThat(lastHalf(nodes)).isGreaterThan(2.5);
    }

    @Test
    void itComesBackWhenTheTextBecomesEasier() {
        assertThat(meanNodes(1_000, rank -> 0.01, 300, 300)).isLessThan(1.4);
        assertThat(meanNodes(2_400, rank -> rank == 0 ? 0.85 : 0.05, 100, 200)).isGreaterThan(2);
    }

    @Test
    void itStopsWhenTheMachineMakesNodesDear() {
        assertThat(meanNodes(400, rank -> 0.5 / (1 << rank), 10, 50)).isGreaterThan(6);
        assertThat(meanNodes(1_500, rank -> 0.5 / (1 << rank), 600, 500)).isLessThan(1.6);
    }

    @Test
    void shortTextsFindOutTogetherThatDraftsPayAgain() {
        assertThat(meanNodes(3_000, rank -> 0.01, 300, 300)).isLessThan(1.2);
        assertThat(meanNodesOfEasyTexts(40, 60)).isGreaterThan(2);
    }

    @Test
    void headsThatNeverPassAreNotAsked() {
        int few = 0;
        DraftShape wanted = chooser.wanted();
        for (int step = 0; step < 4_000; step++) {
            Drafts drafts = sure(wanted, rank -> rank == 0 ? 0.9 : 0.01);
            for (int head = 1; head < drafts.probabilities().length; head++) {
                Arrays.fill(drafts.probabilities()[head], 0.001f);
            }
            DraftTree tree = chooser.choose(drafts, ALL, ALL);
            costs.verified(tree.nodes(), PLAIN + 100L * (tree.nodes() - 1));
            boolean guessed = tree.nodes() > 1 && tree.ranksTo(1).equals(List.of(0)) && random.nextDouble() < 0.9;
            chooser.observe(guessed ? new int[] {0, 1} : new int[] {0});
            wanted = chooser.wanted();
            if (wanted.ranks() > 0) {
                costs.drafted(wanted.heads(), 150L * wanted.heads());
            }
            few += step >= 3_000 && wanted.heads() == 1 ? 1 : 0;
        }
        assertThat(few).isGreaterThan(850);
    }

    @Test
    void textsThatAreShorterThanATrialDoNotTryForever() {
        assertThat(meanNodes(2_000, rank -> 0.01, 300, 300)).isLessThan(1.2);
        int asked = 0;
        for (int text = 0; text < 200; text++) {
            chooser = new TreeChooser(TREE, GREEDY, experience);
            for (int nodes : steps(15, always(rank -> 0.01), AS_THEY_SAY, 300, 300)) {
                asked += nodes > 1 ? 1 : 0;
            }
        }
        assertThat(asked).as("of 3,000 steps").isLessThan(600);
    }

    @Test
    void textsThatEndWhileATrialRunsComeBackToHeads() {
        // Texts of one length, so that trials would always begin at the same place of theirs: wherever that is.
        for (int place = 0; place < 128; place++) {
            TreeChooserTest each = new TreeChooserTest();
            assertThat(each.meanNodes(1_000 + place, rank -> 0.01, 300, 300)).isLessThan(1.3);
            assertThat(each.meanNodesOfEasyTexts(20, 127)).as("place %d", place).isGreaterThan(2);
        }
    }

    @Test
    void inCompanyNothingIsMeasured() {
        costs.shared();
        for (int step = 0; step < 100; step++) {
            assertThat(chooser.wanted()).isEqualTo(DraftShape.of(TREE));
            assertThat(chooser.choose(sure(DraftShape.of(TREE), rank -> 0.5), ALL, ALL)
                            .nodes())
                    .isEqualTo(TREE.nodes());
            chooser.observe(new int[] {0});
        }
    }

    @Test
    void theContextsEndAndASmallShareOfTheBudgetCutIt() {
        Drafts drafts = sure(DraftShape.of(TREE), rank -> 0.9 / (1 << rank));
        chooser.wanted();
        assertThat(chooser.choose(drafts, 1, ALL).paths()).containsExactly(List.of(0), List.of(1), List.of(2));
        assertThat(chooser.choose(drafts, 0, ALL)).isEqualTo(DraftTree.ROOT_ONLY);
        assertThat(chooser.choose(drafts, ALL, 3).paths())
                .as("the likeliest two")
                .containsExactly(List.of(0), List.of(0, 0));
        assertThat(chooser.choose(Drafts.NONE, ALL, ALL)).isEqualTo(DraftTree.ROOT_ONLY);
    }
}
