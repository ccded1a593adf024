package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class CalibrationTest {
    private final Calibration calibration = new Calibration(2);

    @Test
    void atFirstHeadsAreBelieved() {
        for (double confidence : new double[] {0, 0.01, 0.2, 0.5, 0.9, 1}) {
            assertThat(calibration.rate(1, confidence)).isCloseTo(confidence, within(0.07));
        }
    }

    @Test
    void whatIsAcceptedCorrectsThemWhereItWasSeen() {
        for (int i = 0; i < 300; i++) {
            calibration.observe(2, 0.3, i % 10 != 0);
        }
        assertThat(calibration.rate(2, 0.3)).isCloseTo(0.9, within(0.03));
        assertThat(calibration.rate(2, 0.31)).isCloseTo(0.9, within(0.03));
        assertThat(calibration.rate(2, 0.6)).isCloseTo(0.6, within(0.05));
        assertThat(calibration.rate(1, 0.3)).isCloseTo(0.3, within(0.05));
    }
}
