package dev.hydrallm.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class Int4Test {
    private static final int GROUP = 32;
    private static final int GROUPS = Rows.COLUMNS / GROUP;
    /** Half a unit in the last place of half precision, relative; and half its smallest number. */
    private static final double HALF_ULP = 1.0 / 2048;

    private static final double LEAST = 3e-8;

    @Property
    void symmetricIsNeverWorseThanTheNaiveScale(@ForAll("rows") float[] row) {
        float[] naive = new float[row.length];
        for (int from = 0; from < row.length; from += GROUP) {
            float scale = half(Rows.largest(row, from, from + GROUP) / 7);
            for (int i = from; i < from + GROUP; i++) {
                naive[i] = scale == 0 ? 0 : Math.clamp(Math.round((double) row[i] / scale), -8, 7) * scale;
            }
        }
        assertThat(Rows.squaredError(row, symmetric(row)))
                .isLessThanOrEqualTo(Rows.squaredError(row, naive) * (1 + 1e-6));
    }

    @Property
    void symmetricErrorsSumToNoMoreThanHalfANaiveStepEach(@ForAll("rows") float[] row) {
        float[] decoded = symmetric(row);
        for (int from = 0; from < row.length; from += GROUP) {
            double step = Rows.largest(row, from, from + GROUP) / 7;
            // A scale that half precision rounds down is up to 7 half units short at the largest weight.
            double each = step / 2 + 7 * (step * HALF_ULP + LEAST);
            assertThat(error(row, decoded, from)).isLessThanOrEqualTo(GROUP * each * each * (1 + 1e-6));
        }
    }

    @Property
    void asymmetricErrorsSumToNoMoreThanHalfANaiveStepEach(@ForAll("rows") float[] row) {
        float[] decoded = asymmetric(row);
        for (int from = 0; from < row.length; from += GROUP) {
            double low = Double.POSITIVE_INFINITY;
            double high = Double.NEGATIVE_INFINITY;
            for (int i = from; i < from + GROUP; i++) {
                low = Math.min(low, row[i]);
                high = Math.max(high, row[i]);
            }
            double minimumOff = Math.abs(low) * HALF_ULP + LEAST;
            double step = (high - low + minimumOff) / 15;
            double each = step / 2 + minimumOff + 15 * (step * HALF_ULP + LEAST);
            assertThat(error(row, decoded, from)).isLessThanOrEqualTo(GROUP * each * each * (1 + 1e-6));
        }
    }

    @Property
    void whatIsDecodedIsFinite(@ForAll("rows") float[] row) {
        for (float[] decoded : new float[][] {symmetric(row), asymmetric(row)}) {
            for (float weight : decoded) {
                assertThat(weight).isFinite();
            }
        }
    }

    @Property
    void symmetricLevelsAreExact(@ForAll("codes") byte[] packed, @ForAll("scale") float scale) {
        // The level below zero that has no counterpart occurs in every group, so nothing but this scale is exact.
        byte[] codes = withCodeZero(packed);
        float[] row = new float[Rows.COLUMNS];
        FourBit.decode(codes, GROUP, Int4.symmetric(new short[] {bits(scale), bits(-scale)}), row);
        assertThat(symmetric(row)).containsExactly(row);
    }

    @Property
    void asymmetricLevelsAreExact(@ForAll("codes") byte[] packed, @ForAll("scale") float scale) {
        byte[] codes = withCodeZero(packed);
        codes[1] = (byte) 0xff;
        codes[GROUP / 2 + 1] = (byte) 0xff;
        float[] row = new float[Rows.COLUMNS];
        short[] scales = {bits(scale), bits(scale)};
        FourBit.decode(codes, GROUP, Int4.asymmetric(scales, new short[] {bits(0.5f), bits(-0.25f)}), row);
        byte[] found = new byte[Rows.COLUMNS / 2];
        short[] foundScales = new short[GROUPS];
        short[] minima = new short[GROUPS];
        Int4.encodeAsymmetric(row, GROUP, found, foundScales, minima);
        assertThat(minima).containsExactly(bits(0.5f), bits(-0.25f));
        assertThat(foundScales).isEqualTo(scales);
        assertThat(found).isEqualTo(codes);
    }

    @Example
    void gaussianWeightsLoseLessThanWithTheNaiveScale() {
        Random random = new Random(5);
        double naive = 0;
        double chosen = 0;
        for (int i = 0; i < 200; i++) {
            float[] row = new float[Rows.COLUMNS];
            for (int k = 0; k < row.length; k++) {
                row[k] = (float) (0.02 * random.nextGaussian());
            }
            float scale = Rows.largest(row, 0, row.length) / 7;
            float[] rounded = new float[row.length];
            for (int k = 0; k < row.length; k++) {
                rounded[k] = Math.round(row[k] / scale) * scale;
            }
            naive += Rows.squaredError(row, rounded);
            byte[] packed = new byte[row.length / 2];
            short[] scales = new short[1];
            Int4.encodeSymmetric(row, row.length, packed, scales);
            float[] decoded = new float[row.length];
            FourBit.decode(packed, row.length, Int4.symmetric(scales), decoded);
            chosen += Rows.squaredError(row, decoded);
        }
        assertThat(chosen).isLessThan(0.85 * naive);
    }

    @Example
    void zerosStayZeros() {
        float[] zeros = new float[Rows.COLUMNS];
        assertThat(Rows.squaredError(zeros, symmetric(zeros))).isZero();
        assertThat(Rows.squaredError(zeros, asymmetric(zeros))).isZero();
    }

    @Example
    void aWeightThatIsNoNumberOrTooLargeIsRefused() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 65505, -7e4f}) {
            float[] row = new float[Rows.COLUMNS];
            row[40] = bad;
            row[41] = 1;
            assertThatThrownBy(() -> symmetric(row))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("a weight is " + bad);
            assertThatThrownBy(() -> asymmetric(row))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("a weight is " + bad);
        }
    }

    private static float[] symmetric(float[] row) {
        byte[] packed = new byte[row.length / 2];
        short[] scales = new short[GROUPS];
        Int4.encodeSymmetric(row, GROUP, packed, scales);
        float[] decoded = new float[row.length];
        FourBit.decode(packed, GROUP, Int4.symmetric(scales), decoded);
        return decoded;
    }

    private static float[] asymmetric(float[] row) {
        byte[] packed = new byte[row.length / 2];
        short[] scales = new short[GROUPS];
        short[] minima = new short[GROUPS];
        Int4.encodeAsymmetric(row, GROUP, packed, scales, minima);
        float[] decoded = new float[row.length];
        FourBit.decode(packed, GROUP, Int4.asymmetric(scales, minima), decoded);
        return decoded;
    }

    private static double error(float[] row, float[] decoded, int from) {
        double sum = 0;
        for (int i = from; i < from + GROUP; i++) {
            sum += Math.pow((double) row[i] - decoded[i], 2);
        }
        return sum;
    }

    private static byte[] withCodeZero(byte[] packed) {
        byte[] codes = packed.clone();
        codes[0] = 0;
        codes[GROUP / 2] = 0;
        return codes;
    }

    private static short bits(float value) {
        return Float.floatToFloat16(value);
    }

    private static float half(float value) {
        return Float.float16ToFloat(bits(value));
    }

    @Provide
    Arbitrary<float[]> rows() {
        return Rows.any();
    }

    @Provide
    Arbitrary<byte[]> codes() {
        return net.jqwik.api.Arbitraries.bytes().array(byte[].class).ofSize(Rows.COLUMNS / 2);
    }

    /** Powers of two: with them every level and every quotient is a float. */
    @Provide
    Arbitrary<Float> scale() {
        return net.jqwik.api.Arbitraries.integers().between(-9, 3).map(power -> Math.scalb(1f, power));
    }
}
