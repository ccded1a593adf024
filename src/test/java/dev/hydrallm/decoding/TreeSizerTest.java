package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;

/** A text whose drafts pass at a given rate, on a machine whose steps cost what is said here. */
class TreeSizerTest {
    private static final DraftTree TREE = DraftTree.of(
            List.of(List.of(0), List.of(0, 0), List.of(1), List.of(0, 0, 0), List.of(2), List.of(0, 1), List.of(1, 0)));
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final long PLAIN = 1_000;

    private final Random random = new Random(5);
    private final Experience experience = new Experience();
    private final StepCosts costs = experience.costs();
    private TreeSizer sizer = new TreeSizer(TREE, GREEDY, experience);

    /** Steps; returns the mean nodes of the last half. */
    private double steps(int count, IntToDoubleFunction rateOfRank, double costOfNode, long draft) {
        double nodes = 0;
        for (int step = 0; step < count; step++) {
            DraftTree tree = sizer.next();
            costs.verified(tree.nodes(), PLAIN + (long) (costOfNode * (tree.nodes() - 1)));
            int at = 0;
            List<Integer> path = new ArrayList<>(List.of(0));
            for (int child = nextAccepted(tree, at, rateOfRank);
                    child > 0;
                    child = nextAccepted(tree, at, rateOfRank)) {
                at = child;
                path.add(child);
            }
            sizer.observe(tree, path.stream().mapToInt(Integer::intValue).toArray());
            if (tree.nodes() > 1) {
                costs.drafted(tree.depth(), draft);
            }
            nodes += step < count / 2 ? 0 : tree.nodes();
        }
        return nodes / (count - count / 2);
    }

    private int nextAccepted(DraftTree tree, int parent, IntToDoubleFunction rateOfRank) {
        double rest = random.nextDouble();
        for (int node = parent + 1; node < tree.nodes(); node++) {
            if (tree.parent(node) == parent) {
                rest -= rateOfRank.applyAsDouble(tree.rank(node));
                if (rest < 0) {
                    return node;
                }
            }
        }
        return 0;
    }

    @Test
    void cheapDraftsThatPassAreAllMade() {
        assertThat(steps(400, rank -> 0.6 / (1 << rank), 10, 50)).isGreaterThan(7);
    }

    @Test
    void whereNothingPassesItDecodesPlainly() {
        assertThat(steps(2_000, rank -> 0.02, 300, 300)).isLessThan(1.2);
    }

    @Test
    void dearNodesLeaveTheLikelyOnes() {
        assertThat(steps(600, rank -> rank == 0 ? 0.8 : 0.01, 150, 200)).isBetween(2.0, 5.0);
    }

    @Test
    void itComesBackWhenTheTextBecomesEasier() {
        assertThat(steps(1_000, rank -> 0.01, 300, 300)).isLessThan(1.4);
        assertThat(steps(600, rank -> rank == 0 ? 0.85 : 0.05, 100, 200)).isGreaterThan(2);
    }

    @Test
    void itStopsWhenTheMachineMakesNodesDear() {
        assertThat(steps(400, rank -> 0.5 / (1 << rank), 10, 50)).isGreaterThan(6);
        assertThat(steps(1_500, rank -> 0.5 / (1 << rank), 600, 500)).isLessThan(1.6);
    }

    @Test
    void aTreeThatTheContextsEndCutTeachesNothing() {
        for (int i = 0; i < 100; i++) {
            sizer.observe(TREE.withinDepth(1), new int[] {0});
        }
        assertThat(experience.of(TREE, GREEDY).rates.of(0)).isEqualTo(0.5);
        sizer.observe(TREE.first(2), new int[] {0});
        assertThat(experience.of(TREE, GREEDY).rates.of(0))
                .as("a smaller share of the budget")
                .isLessThan(0.5);
    }

    @Test
    void shortTextsFindOutTogetherThatDraftsPayAgain() {
        assertThat(steps(3_000, rank -> 0.01, 300, 300)).isLessThan(1.2);
        double drafted = 0;
        for (int text = 0; text < 40; text++) {
            sizer = new TreeSizer(TREE, GREEDY, experience);
            drafted = steps(60, rank -> rank == 0 ? 0.85 : 0.05, 100, 200);
        }
        assertThat(drafted).isGreaterThan(2);
    }

    @Test
    void inCompanyNothingIsTriedThatWouldNotBeMeasured() {
        steps(400, rank -> 0.6 / (1 << rank), 10, 50);
        for (int step = 0; step < 400; step++) {
            costs.verified(8, PLAIN);
        }
        costs.shared();
        assertThat(sizer.next().nodes()).isEqualTo(8);
        Experience fresh = new Experience();
        fresh.costs().shared();
        TreeSizer other = new TreeSizer(TREE, GREEDY, fresh);
        for (int step = 0; step < 100; step++) {
            assertThat(other.next().nodes()).isEqualTo(8);
        }
    }

    @Test
    void aChildListedBeforeItsParentIsDraftedAfterIt() {
        TreeSizer backwards = new TreeSizer(DraftTree.of(List.of(List.of(0, 0), List.of(0))), GREEDY, experience);
        assertThat(backwards.next().paths()).containsExactly(List.of(0), List.of(0, 0));
    }
}
