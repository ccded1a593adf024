package dev.hydrallm.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class FourBitTest {
    @Property
    void codesThatArePutAreFound(@ForAll("packed") byte[] packed) {
        byte[] again = new byte[packed.length];
        for (int i = packed.length * 2 - 1; i >= 0; i--) {
            FourBit.put(again, i, FourBit.code(packed, i));
        }
        assertThat(again).isEqualTo(packed);
    }

    @Example
    void theFirstOfTwoCodesIsInTheHighHalf() {
        byte[] packed = {(byte) 0xff};
        FourBit.put(packed, 0, 10);
        FourBit.put(packed, 1, 3);
        assertThat(packed).containsExactly(0xa3);
    }

    @Property
    void int8RowsAreWhatTheDecodedWeightsEncodeTo(
            @ForAll("packed") byte[] packed, @ForAll("scales") short[] scales, @ForAll("scales") short[] minima) {
        for (FourBit.Levels levels : new FourBit.Levels[] {
            Int4.symmetric(scales),
            Int4.asymmetric(scales, minima),
            FourBit.Levels.of(unevenPattern(), new float[] {1, 2})
        }) {
            float[] row = new float[2 * packed.length];
            FourBit.decode(packed, 32, levels, row);
            byte[] expected = new byte[row.length];
            float scale = Int8.encode(row, expected);
            byte[] codes = new byte[row.length];
            assertThat(new FourBit.Expansion(row.length, 32).toInt8(packed, levels, codes))
                    .isEqualTo(scale);
            assertThat(codes).isEqualTo(expected);
        }
    }

    @Example
    void aScaleThatIsNoNumberIsRefused() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            short[] scales = {Float.floatToFloat16(1), Float.floatToFloat16(bad)};
            assertThatThrownBy(() ->
                            new FourBit.Expansion(64, 32).toInt8(new byte[32], Int4.symmetric(scales), new byte[64]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("a weight is");
        }
    }

    private static float[] unevenPattern() {
        float[] pattern = new float[FourBit.LEVELS];
        for (int code = 0; code < pattern.length; code++) {
            pattern[code] = code - 3.3f;
        }
        return pattern;
    }

    @Provide
    Arbitrary<byte[]> packed() {
        return Arbitraries.bytes().array(byte[].class).ofSize(Rows.COLUMNS / 2);
    }

    @Provide
    Arbitrary<short[]> scales() {
        return Arbitraries.shorts()
                .filter(bits -> Float.isFinite(Float.float16ToFloat(bits)))
                .array(short[].class)
                .ofSize(2);
    }
}
