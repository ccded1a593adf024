package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

class StepCostsTest {
    private static final int HEADS = 3;
    private static final Percentage CLOSE = Percentage.withPercentage(3);

    private final StepCosts costs = new StepCosts();

    private void verified(int nodes, int times, long nanos) {
        for (int i = 0; i < times; i++) {
            costs.verified(nodes, nanos);
        }
    }

    /** As on an engine where a node costs 20 on top of a plain step's 100 and 60 for the second. */
    private void measureAll() {
        verified(1, 6, 100);
        for (int i = 0; i < 6; i++) {
            costs.verified(2, 160);
            costs.verified(8, 280);
            costs.drafted(HEADS, 40);
        }
    }

    @Test
    void sizesThatWereNeverRunLieOnALine() {
        measureAll();
        assertThat(costs.verify(1)).isCloseTo(100, CLOSE);
        assertThat(costs.verify(2)).isCloseTo(160, CLOSE);
        assertThat(costs.verify(5)).isCloseTo(220, CLOSE);
        assertThat(costs.verify(20)).isCloseTo(520, CLOSE);
        assertThat(costs.draft(HEADS)).isCloseTo(40, CLOSE);
    }

    @Test
    void noiseNeverMakesMoreNodesCheaper() {
        verified(2, 5, 150);
        verified(6, 5, 120);
        assertThat(costs.verify(12)).isGreaterThanOrEqualTo(costs.verify(2));
    }

    @Test
    void oneSlowStepChangesLittle() {
        verified(1, 12, 100);
        costs.verified(1, 9_000);
        assertThat(costs.verify(1)).isBetween(100.0, 115.0);
    }

    @Test
    void slowStepsOfAColdProcessAreForgotten() {
        verified(1, 5, 4_000);
        for (int i = 0; i < 3; i++) {
            costs.verified(2, 4_100);
            costs.verified(8, 4_500);
            costs.drafted(HEADS, 3_000);
        }
        for (int i = 0; i < 100; i++) {
            measureAll();
        }
        assertThat(costs.verify(1)).isCloseTo(100, CLOSE);
        assertThat(costs.verify(5)).isCloseTo(220, CLOSE);
        assertThat(costs.draft(HEADS)).isCloseTo(40, CLOSE);
    }

    @Test
    void whatMakesOneSizeSlowerMakesTheOthersSlowerToo() {
        measureAll();
        double ratio = costs.verify(4) / costs.verify(1);
        for (int i = 0; i < 40; i++) {
            costs.verified(4, 300);
            costs.drafted(HEADS, 60);
        }
        assertThat(costs.verify(4)).isCloseTo(300, CLOSE);
        assertThat(costs.verify(1))
                .as("of a plain step, which did not run since")
                .isGreaterThan(125);
        assertThat(costs.verify(4) / costs.verify(1)).isCloseTo(ratio, within(0.4));
    }

    @Test
    void itSaysWhatIsNotKnown() {
        assertThat(costs.unknown()).isEqualTo(StepCosts.Unknown.DRAFTED);
        for (int i = 0; i < 4; i++) {
            costs.verified(6, 200);
            costs.drafted(HEADS, 50);
        }
        assertThat(costs.unknown()).isEqualTo(StepCosts.Unknown.PLAIN);
        verified(1, 4, 100);
        assertThat(costs.unknown()).as("the first in a row is not counted").isEqualTo(StepCosts.Unknown.PLAIN);
        costs.verified(1, 100);
        assertThat(costs.unknown()).isEqualTo(StepCosts.Unknown.NOTHING);
    }

    @Test
    void plainStepsAreDueWhenNoneRanInARowForLong() {
        verified(1, 5, 100);
        for (int i = 0; i < 300; i++) {
            assertThat(costs.plainIsDue()).isEqualTo(i >= 255);
            costs.verified(i % 2 == 0 ? 3 : 1, 150);
            costs.drafted(HEADS, 50);
        }
        verified(1, 3, 100);
        assertThat(costs.plainIsDue()).isTrue();
        costs.verified(1, 100);
        assertThat(costs.plainIsDue()).isFalse();
    }

    @Test
    void fewerHeadsCostLess() {
        for (int i = 0; i < 4; i++) {
            costs.verified(4, 1_200);
            costs.drafted(3, 900);
        }
        assertThat(costs.draft(1))
                .as("one head was never asked: not cheaper than known")
                .isEqualTo(costs.draft(3));
        for (int i = 0; i < 8; i++) {
            costs.drafted(1, 300);
        }
        assertThat(costs.draft(1)).isLessThan(costs.draft(2));
        assertThat(costs.draft(2)).isLessThan(costs.draft(3));
    }
}
