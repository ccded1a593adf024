package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class StepCostsTest {
    private static final int HEADS = 3;

    private final StepCosts costs = new StepCosts();

    /** Steps in a row. The first of a size is not counted. */
    private void verified(int nodes, long... nanos) {
        costs.verified(nodes, 1_000_000);
        for (long each : nanos) {
            costs.verified(nodes, each);
        }
    }

    @Test
    void aPlainStepDraftsNothingAndEveryOtherDoes() {
        verified(1, 100, 100, 100);
        verified(5, 180, 180, 180);
        costs.drafted(HEADS, 40);
        assertThat(costs.of(1, HEADS)).isCloseTo(100, within(1e-9));
        assertThat(costs.of(5, HEADS)).isCloseTo(180 + 40, within(1e-9));
    }

    @Test
    void sizesThatWereNeverRunLieOnALine() {
        verified(1, 100);
        verified(5, 180);
        verified(9, 200);
        costs.drafted(HEADS, 40);
        assertThat(costs.of(3, HEADS)).isCloseTo(140 + 40, within(1e-9));
        assertThat(costs.of(7, HEADS)).isCloseTo(190 + 40, within(1e-9));
        assertThat(costs.of(17, HEADS)).as("beyond the largest").isCloseTo(200 + 8 * 12.5 + 40, within(1e-9));
    }

    @Test
    void noiseNeverMakesMoreNodesCheaper() {
        verified(2, 150);
        verified(6, 120);
        costs.drafted(HEADS, 40);
        assertThat(costs.of(4, HEADS)).isCloseTo(150 + 40, within(1e-9));
        assertThat(costs.of(12, HEADS)).isGreaterThanOrEqualTo(150 + 40);
    }

    @Test
    void oneSlowStepChangesLittle() {
        verified(1, 100, 100, 100, 100, 100, 100, 100, 100);
        costs.verified(1, 9_000);
        assertThat(costs.of(1, HEADS)).isBetween(100.0, 115.0);
    }

    @Test
    void whatMakesOneSizeSlowerMakesTheOthersSlowerToo() {
        verified(1, 100, 100, 100);
        for (int i = 0; i < 40; i++) {
            costs.verified(4, 200);
            costs.drafted(HEADS, 50);
        }
        double ratio = costs.of(4, HEADS) / costs.of(1, HEADS);
        for (int i = 0; i < 40; i++) {
            costs.verified(4, 300);
            costs.drafted(HEADS, 75);
        }
        assertThat(costs.of(4, HEADS)).isCloseTo(375, within(8.0));
        assertThat(costs.of(4, HEADS) / costs.of(1, HEADS))
                .as("of a plain step, which did not run since")
                .isCloseTo(ratio, within(0.4));
        assertThat(costs.of(1, HEADS)).isGreaterThan(125);
    }

    @Test
    void itTriesWhatItHasNotSeenOftenEnough() {
        assertThat(costs.toTry(6)).isEqualTo(6);
        for (int i = 0; i < 4; i++) {
            costs.verified(6, 200);
            costs.drafted(HEADS, 50);
        }
        assertThat(costs.toTry(6)).isEqualTo(1);
        verified(1, 100, 100);
        assertThat(costs.toTry(6)).isEqualTo(1);
        costs.verified(1, 100);
        assertThat(costs.toTry(6)).isZero();
    }

    @Test
    void itCountsTheStepsSinceAPlainOne() {
        verified(4, 1);
        costs.verified(1, 1);
        assertThat(costs.stepsSincePlain())
                .as("the first of a size is not counted")
                .isEqualTo(3);
        costs.verified(1, 1);
        assertThat(costs.stepsSincePlain()).isZero();
    }

    @Test
    void fewerHeadsCostLess() {
        StepCosts costs = new StepCosts();
        for (int i = 0; i < 4; i++) {
            costs.verified(1, 1_000);
        }
        for (int i = 0; i < 4; i++) {
            costs.verified(4, 1_200);
            costs.drafted(3, 900);
        }
        assertThat(costs.of(4, 1))
                .as("one head was never asked: not cheaper than known")
                .isEqualTo(costs.of(4, 3));
        for (int i = 0; i < 4; i++) {
            costs.drafted(1, 300);
        }
        assertThat(costs.of(4, 1)).isLessThan(costs.of(4, 2));
        assertThat(costs.of(4, 2)).isLessThan(costs.of(4, 3));
    }
}
