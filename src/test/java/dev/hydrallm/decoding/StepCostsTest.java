package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

class StepCostsTest {
    private static final int HEADS = 3;
    private static final Percentage CLOSE = Percentage.withPercentage(3);

    private final StepCosts costs = new StepCosts();

    private void plain(int times, long nanos) {
        for (int i = 0; i < times; i++) {
            costs.verified(1, nanos);
        }
    }

    /** Steps with drafts, a last one of another time before them. */
    private void drafted(int times, int nodes, long verify, int heads, long draft) {
        for (int i = 0; i < times; i++) {
            costs.drafted(heads, draft);
            costs.verified(nodes, verify);
        }
    }

    /** As on an engine where a node costs 20 on top of a plain step's 100 and 60 for the second. */
    private void measureAll() {
        plain(8, 100);
        for (int i = 0; i < 8; i++) {
            drafted(1, 2, 160, HEADS, 40);
            drafted(1, 8, 280, HEADS, 40);
        }
    }

    @Test
    void sizesThatWereNeverRunLieOnALine() {
        measureAll();
        assertThat(costs.plain()).isCloseTo(100, CLOSE);
        assertThat(costs.verify(1)).as("between drafts").isCloseTo(140, CLOSE);
        assertThat(costs.verify(2)).isCloseTo(160, CLOSE);
        assertThat(costs.verify(5)).isCloseTo(220, CLOSE);
        assertThat(costs.verify(20)).isCloseTo(520, CLOSE);
        assertThat(costs.draft(HEADS)).isCloseTo(40, CLOSE);
    }

    @Test
    void noiseNeverMakesMoreNodesCheaper() {
        drafted(12, 2, 150, HEADS, 40);
        drafted(12, 6, 120, HEADS, 40);
        assertThat(costs.verify(12)).isGreaterThanOrEqualTo(costs.verify(2));
    }

    @Test
    void oneSlowStepChangesLittle() {
        plain(12, 100);
        costs.verified(1, 9_000);
        assertThat(costs.plain()).isBetween(100.0, 115.0);
    }

    @Test
    void slowStepsOfAColdProcessAreForgotten() {
        plain(8, 4_000);
        drafted(8, 2, 4_100, HEADS, 3_000);
        drafted(8, 8, 4_500, HEADS, 3_000);
        for (int i = 0; i < 100; i++) {
            measureAll();
        }
        assertThat(costs.plain()).isCloseTo(100, CLOSE);
        assertThat(costs.verify(5)).isCloseTo(220, CLOSE);
        assertThat(costs.draft(HEADS)).isCloseTo(40, CLOSE);
    }

    @Test
    void whatMakesOneSizeSlowerMakesTheOthersSlowerToo() {
        measureAll();
        double ratio = costs.verify(4) / costs.plain();
        drafted(40, 4, 300, HEADS, 60);
        assertThat(costs.verify(4)).isCloseTo(300, CLOSE);
        assertThat(costs.plain()).as("of a plain step, which did not run since").isGreaterThan(125);
        assertThat(costs.verify(4) / costs.plain()).isCloseTo(ratio, within(0.4));
    }

    @Test
    void stepsThatFollowAnotherKindAreNotCounted() {
        measureAll();
        for (int i = 0; i < 50; i++) {
            plain(2, 900);
            drafted(4, 4, 900, HEADS, 900);
        }
        assertThat(costs.plain()).isCloseTo(100, CLOSE);
        assertThat(costs.verify(5)).isCloseTo(220, CLOSE);
        assertThat(costs.draft(HEADS)).isCloseTo(40, CLOSE);
    }

    @Test
    void aForwardBehindDraftsThatWereCaughtUpOnIsNoPlainOne() {
        measureAll();
        for (int i = 0; i < 20; i++) {
            plain(10, 100);
            costs.draftedLate();
            costs.verified(4, 5_000);
        }
        assertThat(costs.plain()).isCloseTo(100, CLOSE);
    }

    @Test
    void noiseMakesNothingFree() {
        plain(8, 100);
        for (int i = 0; i < 8; i++) {
            drafted(1, 7, 10, HEADS, 40);
            drafted(1, 8, 1_000, HEADS, 40);
        }
        assertThat(costs.verify(1)).isPositive();
    }

    @Test
    void manyStepsOfOneSizeDoNotMakeTheOthersAsDear() {
        for (int i = 0; i < 4; i++) {
            measureAll();
        }
        drafted(5, 8, 280, HEADS, 40);
        for (int i = 0; i < 600; i++) {
            drafted(1, 8, i % 2 == 0 ? 250 : 310, HEADS, 40);
        }
        assertThat(costs.verify(2) / costs.verify(8)).isCloseTo(160.0 / 280, within(0.1));
    }

    @Test
    void itSaysWhatIsNotKnown() {
        assertThat(costs.unknown()).isEqualTo(StepCosts.Unknown.DRAFTED);
        drafted(7, 6, 200, HEADS, 50);
        assertThat(costs.unknown()).isEqualTo(StepCosts.Unknown.DRAFTED);
        drafted(1, 6, 200, HEADS, 50);
        assertThat(costs.unknown()).isEqualTo(StepCosts.Unknown.PLAIN);
        plain(5, 100);
        assertThat(costs.unknown()).as("the first in a row are not counted").isEqualTo(StepCosts.Unknown.PLAIN);
        costs.verified(1, 100);
        assertThat(costs.unknown()).isEqualTo(StepCosts.Unknown.NOTHING);
    }

    @Test
    void plainStepsAreDueWhenNoneRanInARowForLong() {
        plain(6, 100);
        for (int i = 0; i < 600; i++) {
            assertThat(costs.plainIsDue()).isEqualTo(i >= 512);
            drafted(1, i % 2 == 0 ? 3 : 1, 150, HEADS, 50);
        }
        plain(4, 100);
        assertThat(costs.plainIsDue()).isTrue();
        costs.verified(1, 100);
        assertThat(costs.plainIsDue()).isFalse();
        plain(900, 100);
        assertThat(costs.plainIsDue()).as("after many in a row").isFalse();
    }

    @Test
    void fewerHeadsCostLess() {
        drafted(8, 4, 1_200, 3, 900);
        assertThat(costs.draft(1))
                .as("one head was never asked: a little cheaper, as is assumed")
                .isBetween(0.8 * costs.draft(3), costs.draft(3));
        drafted(8, 4, 1_200, 1, 300);
        assertThat(costs.draft(1)).isLessThan(costs.draft(2));
        assertThat(costs.draft(2)).isLessThan(costs.draft(3));
    }
}
