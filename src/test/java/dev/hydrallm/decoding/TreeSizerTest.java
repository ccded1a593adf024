package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import org.junit.jupiter.api.Test;

/** A text whose drafts pass at a given rate, on a machine whose steps cost what is said here. */
class TreeSizerTest {
    private static final DraftTree TREE = DraftTree.of(
            List.of(List.of(0), List.of(0, 0), List.of(1), List.of(0, 0, 0), List.of(2), List.of(0, 1), List.of(1, 0)));
    private static final long PLAIN = 1_000;

    private final Random random = new Random(5);
    private final Experience experience = new Experience();
    private final StepCosts costs = experience.costs();
    private final TreeSizer sizer = new TreeSizer(TREE, new AcceptanceRule.Greedy(), experience);

    /** Steps; returns the mean nodes of the last half. */
    private double steps(int count, IntToDoubleFunction rateOfRank, double costOfNode, long draft) {
        double nodes = 0;
        for (int step = 0; step < count; step++) {
            DraftTree tree = sizer.next();
            costs.verified(tree.nodes(), PLAIN + (long) (costOfNode * (tree.nodes() - 1)));
            int at = 0;
            for (int child = nextAccepted(tree, at, rateOfRank);
                    child > 0;
                    child = nextAccepted(tree, at, rateOfRank)) {
                at = child;
            }
            int[] path = {0, at};
            sizer.observe(tree, at == 0 ? new int[] {0} : path);
            costs.drafted(draft);
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
    void aStepThatOthersCutTeachesNothing() {
        DraftTree foreign = DraftTree.of(List.of(List.of(3), List.of(3, 3)));
        for (int i = 0; i < 100; i++) {
            sizer.observe(foreign, new int[] {0});
        }
        assertThat(sizer.next().nodes()).isEqualTo(TREE.nodes());
    }

    @Test
    void aChildListedBeforeItsParentIsDraftedAfterIt() {
        TreeSizer backwards = new TreeSizer(
                DraftTree.of(List.of(List.of(0, 0), List.of(0))), new AcceptanceRule.Greedy(), experience);
        assertThat(backwards.next().paths()).containsExactly(List.of(0), List.of(0, 0));
    }
}
