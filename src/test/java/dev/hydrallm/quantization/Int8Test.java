package dev.hydrallm.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class Int8Test {
    /** A float's own rounding on top of the half step. */
    private static final double HALF_STEP = 0.5 + 1e-4;

    @Property
    void noWeightMovesByMoreThanHalfAStep(@ForAll("rows") float[] row) {
        byte[] codes = new byte[row.length];
        float scale = Int8.encode(row, codes);
        for (int i = 0; i < row.length; i++) {
            assertThat(Math.abs(row[i] - codes[i] * (double) scale)).isLessThanOrEqualTo(HALF_STEP * scale);
        }
    }

    @Property
    void theLargestWeightGetsTheLargestCode(@ForAll("rows") float[] row) {
        byte[] codes = new byte[row.length];
        float scale = Int8.encode(row, codes);
        int largest = 0;
        for (byte code : codes) {
            largest = Math.max(largest, Math.abs(code));
        }
        assertThat(largest).isLessThanOrEqualTo(127);
        if (scale > Float.MIN_NORMAL && scale != 1) {
            assertThat(largest).isEqualTo(127);
        }
    }

    @Property
    void whatWasQuantizedOnceKeepsItsCodes(@ForAll("rows") float[] row) {
        byte[] codes = new byte[row.length];
        float scale = Int8.encode(row, codes);
        float[] decoded = new float[row.length];
        Int8.decode(codes, scale, decoded);
        byte[] again = new byte[row.length];
        float scaleAgain = Int8.encode(decoded, again);
        assertThat(again).isEqualTo(codes);
        if (scale > Float.MIN_NORMAL && scale != 1) {
            assertThat(scaleAgain).isCloseTo(scale, within(Math.ulp(scale)));
        }
    }

    @Property
    void theSignOfARowIsTheSignOfItsCodes(@ForAll("rows") float[] row) {
        float[] negated = new float[row.length];
        for (int i = 0; i < row.length; i++) {
            negated[i] = -row[i];
        }
        byte[] codes = new byte[row.length];
        byte[] opposite = new byte[row.length];
        assertThat(Int8.encode(row, codes)).isEqualTo(Int8.encode(negated, opposite));
        for (int i = 0; i < row.length; i++) {
            assertThat(opposite[i]).isEqualTo((byte) -codes[i]);
        }
    }

    @Example
    void halvesAreRoundedToTheEvenCode() {
        float[] row = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -127};
        byte[] codes = new byte[row.length];
        assertThat(Int8.encode(row, codes)).isEqualTo(1);
        assertThat(codes).containsExactly(127, 0, 2, 2, 0, -2, -127);
    }

    @Example
    void aRowOfZerosHasScaleOne() {
        byte[] codes = {9, 9};
        assertThat(Int8.encode(new float[] {0, -0f}, codes)).isEqualTo(1);
        assertThat(codes).containsExactly(0, 0);
    }

    @Example
    void theExtremesOfFloatStayInRange() {
        for (float extreme : new float[] {Float.MIN_VALUE, Float.MIN_NORMAL, 1e-37f, Float.MAX_VALUE}) {
            byte[] codes = new byte[2];
            float scale = Int8.encode(new float[] {extreme, -extreme}, codes);
            assertThat(scale).isBetween(Float.MIN_NORMAL, Float.MAX_VALUE);
            assertThat(codes[0]).isNotNegative();
            assertThat(codes[1]).isEqualTo((byte) -codes[0]);
        }
    }

    @Example
    void aWeightThatIsNoNumberIsRefused() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            assertThatThrownBy(() -> Int8.encode(new float[] {1, bad, 2}, new byte[3]))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Provide
    Arbitrary<float[]> rows() {
        return Arbitraries.oneOf(
                        Arbitraries.integers().map(Float::intBitsToFloat).filter(x -> Math.abs(x) < 1e38),
                        Arbitraries.integers().between(-1000, 1000).map(x -> x / 1000f))
                .array(float[].class)
                .ofMinSize(1)
                .ofMaxSize(40);
    }
}
