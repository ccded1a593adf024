package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** Against numbers worked out from the published formulas outside this program. */
class RopeScalingTest {
    private static final double ROUNDING = 1e-6;

    private static void assertFrequencies(float[] actual, double... expected) {
        assertThat(actual).hasSize(expected.length);
        for (int j = 0; j < expected.length; j++) {
            assertThat((double) actual[j]).as("pair %d", j).isCloseTo(expected[j], within(ROUNDING * expected[j]));
        }
    }

    private static void assertFrequency(float[] all, int pair, double expected) {
        assertThat((double) all[pair]).as("pair %d", pair).isCloseTo(expected, within(ROUNDING * expected));
    }

    @Test
    void unscaledFrequenciesArePowersOfTheBase() {
        assertFrequencies(RopeScaling.unscaled(10_000, 8), 1, 0.1, 0.01, 0.001);
    }

    @Test
    void linearDividesAll() {
        assertFrequencies(new RopeScaling.Linear(4).frequencies(10_000, 8, 99), 0.25, 0.025, 0.0025, 0.00025);
    }

    @Test
    void dynamicRaisesTheBaseWithTheContext() {
        RopeScaling dynamic = new RopeScaling.Dynamic(2, 2048);
        // 10000 · (2 · 4096 / 2048 - 1)^(8/6) = 43267.49
        assertFrequencies(dynamic.frequencies(10_000, 8, 4096), 1, 0.0693361274, 0.00480749857, 0.000333333333);
    }

    @Test
    void dynamicLeavesAContextWithinTheOriginalAlone() {
        RopeScaling dynamic = new RopeScaling.Dynamic(2, 2048);
        assertThat(dynamic.frequencies(10_000, 8, 2048)).containsExactly(RopeScaling.unscaled(10_000, 8));
        assertThat(dynamic.frequencies(10_000, 8, 7)).containsExactly(RopeScaling.unscaled(10_000, 8));
    }

    @Test
    void llama3KeepsShortWavesStretchesLongOnesAndFadesBetween() {
        float[] found = new RopeScaling.Llama3(8, 1, 4, 8192).frequencies(500_000, 128, 1);
        assertFrequency(found, 0, 1);
        assertFrequency(found, 28, 0.00321144599);
        assertFrequency(found, 29, 0.00216657076);
        assertFrequency(found, 30, 0.00137189357);
        assertFrequency(found, 35, 9.55621235e-05);
        assertFrequency(found, 36, 7.78465527e-05);
        assertFrequency(found, 63, 3.06892599e-07);
        assertThat(found[28]).isEqualTo(RopeScaling.unscaled(500_000, 128)[28]);
        assertThat(found[29]).isLessThan(RopeScaling.unscaled(500_000, 128)[29]);
    }

    @Test
    void yarnRampsBetweenItsTwoPairs() {
        RopeScaling yarn = new RopeScaling.Yarn(4, 1.5, 32, 1, 4096);
        // Pairs up to the second stay, from the sixth on they are stretched by 4.
        assertFrequencies(
                yarn.frequencies(10_000, 16, 1),
                1,
                0.316227766,
                0.1,
                0.025693506,
                0.00625,
                0.00138349648,
                0.00025,
                7.90569415e-05);
        assertThat(yarn.amplitude()).isEqualTo(1.5);
    }

    @Test
    void yarnOfQwensSizes() {
        float[] found = new RopeScaling.Yarn(4, 1, 32, 1, 32_768).frequencies(1e6, 128, 1);
        assertFrequency(found, 23, 0.00697830585);
        assertFrequency(found, 24, 0.00537532149);
        assertFrequency(found, 30, 0.00106436098);
        assertFrequency(found, 39, 6.49039432e-05);
        assertFrequency(found, 40, 4.44569853e-05);
        assertFrequency(found, 63, 3.1023444e-07);
    }

    @Test
    void yarnsAttentionFactorGrowsWithTheLogarithmOfTheScale() {
        assertThat(RopeScaling.Yarn.attentionFactorOf(4, 1)).isCloseTo(1.138629436, within(1e-9));
        assertThat(RopeScaling.Yarn.attentionFactorOf(1, 1)).isEqualTo(1);
    }

    @Test
    void valuesOutOfTheirBoundsAreRefusedByName() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RopeScaling.Linear(0.5))
                .withMessage("rope scaling factor is 0.5, not between 1.0 and 10000.0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RopeScaling.Dynamic(Double.NaN, 8))
                .withMessageContaining("factor is NaN");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RopeScaling.Llama3(8, 4, 4, 8192))
                .withMessageContaining("high_frequency_factor is 4.0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RopeScaling.Yarn(4, 1, 1, 2, 8192))
                .withMessageContaining("beta_fast is 1.0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new RopeScaling.Yarn(4, 1, 32, 1, 0))
                .withMessageContaining("original_context is 0");
    }
}
