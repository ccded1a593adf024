package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class StepCostsTest {
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
        costs.drafted(40);
        assertThat(costs.of(1)).isCloseTo(100, within(1e-9));
        assertThat(costs.of(5)).isCloseTo(180 + 40, within(1e-9));
    }

    @Test
    void sizesThatWereNeverRunLieOnALine() {
        verified(1, 100);
        verified(5, 180);
        verified(9, 200);
        costs.drafted(40);
        assertThat(costs.of(3)).isCloseTo(140 + 40, within(1e-9));
        assertThat(costs.of(7)).isCloseTo(190 + 40, within(1e-9));
        assertThat(costs.of(17)).as("beyond the largest").isCloseTo(200 + 8 * 12.5 + 40, within(1e-9));
    }

    @Test
    void noiseNeverMakesMoreNodesCheaper() {
        verified(2, 150);
        verified(6, 120);
        costs.drafted(40);
        assertThat(costs.of(4)).isCloseTo(150 + 40, within(1e-9));
        assertThat(costs.of(12)).isGreaterThanOrEqualTo(150 + 40);
    }

    @Test
    void oneSlowStepChangesLittle() {
        verified(1, 100, 100, 100, 100, 100, 100, 100, 100);
        costs.verified(1, 9_000);
        assertThat(costs.of(1)).isBetween(100.0, 115.0);
    }

    @Test
    void whatMakesOneSizeSlowerMakesTheOthersSlowerToo() {
        verified(1, 100, 100, 100);
        for (int i = 0; i < 40; i++) {
            costs.verified(4, 200);
            costs.drafted(50);
        }
        double ratio = costs.of(4) / costs.of(1);
        for (int i = 0; i < 40; i++) {
            costs.verified(4, 300);
            costs.drafted(75);
        }
        assertThat(costs.of(4)).isCloseTo(375, within(8.0));
        assertThat(costs.of(4) / costs.of(1))
                .as("of a plain step, which did not run since")
                .isCloseTo(ratio, within(0.4));
        assertThat(costs.of(1)).isGreaterThan(125);
    }

    @Test
    void itTriesWhatItHasNotSeenOftenEnough() {
        assertThat(costs.toTry(6)).isEqualTo(6);
        for (int i = 0; i < 4; i++) {
            costs.verified(6, 200);
            costs.drafted(50);
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
}
