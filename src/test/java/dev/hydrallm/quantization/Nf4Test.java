package dev.hydrallm.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

class Nf4Test {
    /** Half the widest gap between two levels, of −1 and −0.696. */
    private static final double HALF_GAP = 0.15191;

    private static final float[] LEVELS = {
        -1.0f,
        -0.6961928f,
        -0.52507305f,
        -0.3949175f,
        -0.28444138f,
        -0.18477343f,
        -0.091050036f,
        0.0f,
        0.0795803f,
        0.1609302f,
        0.2461123f,
        0.33791524f,
        0.44070983f,
        0.562617f,
        0.72295684f,
        1.0f
    };

    @Example
    void theLevelsHaveBitsandbytesCodes() {
        float[] row = Arrays.copyOf(LEVELS, Nf4.BLOCK);
        byte[] packed = new byte[Nf4.BLOCK / 2];
        float[] absmaxes = new float[1];
        Nf4.encode(row, packed, absmaxes);
        assertThat(absmaxes).containsExactly(1);
        assertThat(Arrays.copyOf(packed, 8)).containsExactly(0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef);
        assertThat(Arrays.copyOfRange(packed, 8, 32)).containsOnly(0x77); // zeros
    }

    @Example
    void aWeightBetweenTwoLevelsTakesTheNearer() {
        float[] row = new float[Nf4.BLOCK];
        row[0] = -2;
        row[1] = 2 * 0.0397f; // 0 and 0.0796
        row[2] = 2 * 0.0399f;
        row[3] = 2 * -0.849f; // −1 and −0.696
        row[4] = 2 * -0.847f;
        row[5] = 2 * 0.861f; // 0.723 and 1
        row[6] = 2 * 0.862f;
        byte[] packed = new byte[Nf4.BLOCK / 2];
        Nf4.encode(row, packed, new float[1]);
        assertThat(Arrays.copyOf(packed, 4)).containsExactly(0x07, 0x80, 0x1e, 0xf7);
    }

    @Example
    void theDynamicMapIsBitsandbytes() {
        // Entries of quant_map as bitsandbytes' checkpoints have it, by their index.
        int[] indexes = {255, 254, 253, 192, 191, 190, 131, 130, 129, 128, 127, 126, 125, 64, 62, 1, 0};
        float[] entries = {
            1,
            0.99296874f,
            0.9789063f,
            0.12109375f,
            0.10703125f,
            0.09859375f,
            2.125e-5f,
            7.75e-6f,
            3.25e-6f,
            5.5e-7f,
            0,
            -5.5e-7f,
            -3.25e-6f,
            -0.09859375f,
            -0.12109375f,
            -0.9789063f,
            -0.99296874f
        };
        for (int i = 0; i < entries.length; i++) {
            // With its opposite the mean is 0, and with 1 the scale is 1.
            Nf4.Absmaxes quantized = Nf4.Absmaxes.encode(new float[] {entries[i], -entries[i], 1, -1});
            assertThat(Byte.toUnsignedInt(quantized.codes()[0])).isEqualTo(indexes[i]);
            assertThat(quantized.decode(0)).isCloseTo(entries[i], within(2 * Math.ulp(entries[i])));
            assertThat(quantized.codes()[3]).as("−1 has no entry of its own").isZero();
        }
    }

    @Property
    void noWeightMovesByMoreThanHalfAGap(@ForAll("rows") float[] row) {
        byte[] packed = new byte[row.length / 2];
        float[] absmaxes = new float[row.length / Nf4.BLOCK];
        Nf4.encode(row, packed, absmaxes);
        for (int i = 0; i < row.length; i++) {
            double decoded = (double) LEVELS[FourBit.code(packed, i)] * absmaxes[i / Nf4.BLOCK];
            assertThat(Math.abs(row[i] - decoded)).isLessThanOrEqualTo(HALF_GAP * absmaxes[i / Nf4.BLOCK]);
        }
    }

    @Property
    void codesOfDecodedWeightsAreTheSame(@ForAll("codes") byte[] packed, @ForAll("absmaxes") float[] absmaxes) {
        byte[] codes = packed.clone();
        codes[0] = (byte) 0xf0; // the block's absmax occurs
        float[] row = new float[Nf4.BLOCK];
        for (int i = 0; i < row.length; i++) {
            row[i] = LEVELS[FourBit.code(codes, i)] * absmaxes[0];
        }
        byte[] again = new byte[codes.length];
        float[] absmax = new float[1];
        Nf4.encode(row, again, absmax);
        assertThat(again).isEqualTo(codes);
        assertThat(absmax).containsExactly(absmaxes[0]);
    }

    @Property
    void absmaxesComeBackWithinHalfAGapOfTheDynamicMap(@ForAll("absmaxes") float[] absmaxes) {
        Nf4.Absmaxes quantized = Nf4.Absmaxes.encode(absmaxes);
        assertThat(quantized.scales()).hasSize(Math.ceilDiv(absmaxes.length, Nf4.ABSMAX_BLOCK));
        for (int i = 0; i < absmaxes.length; i++) {
            float scale = quantized.scales()[i / Nf4.ABSMAX_BLOCK];
            // Gaps of the map above a tenth are 0.0140625, those below are finer.
            assertThat((double) quantized.decode(i))
                    .isCloseTo(absmaxes[i], within(0.0071 * scale + 1e-6 * Math.abs(quantized.mean())));
        }
    }

    @Property
    void decodedRowsAreFinite(@ForAll("rows") float[] row) {
        byte[] packed = new byte[row.length / 2];
        float[] absmaxes = new float[row.length / Nf4.BLOCK];
        Nf4.encode(row, packed, absmaxes);
        float[] decoded = new float[row.length];
        FourBit.decode(packed, Nf4.BLOCK, Nf4.levels(Nf4.Absmaxes.encode(absmaxes)), decoded);
        for (float weight : decoded) {
            assertThat(weight).isFinite();
        }
    }

    @Example
    void zerosStayZerosBesideOthers() {
        float[] row = new float[2 * Nf4.BLOCK];
        Arrays.fill(row, Nf4.BLOCK, row.length, 3);
        byte[] packed = new byte[row.length / 2];
        float[] absmaxes = new float[2];
        Nf4.encode(row, packed, absmaxes);
        float[] decoded = new float[row.length];
        FourBit.decode(packed, Nf4.BLOCK, Nf4.levels(Nf4.Absmaxes.encode(absmaxes)), decoded);
        assertThat(decoded).containsExactly(row);
    }

    @Example
    void aWeightThatIsNoNumberIsRefused() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            float[] row = new float[Nf4.BLOCK];
            row[5] = bad;
            assertThatThrownBy(() -> Nf4.encode(row, new byte[Nf4.BLOCK / 2], new float[1]))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Provide
    Arbitrary<float[]> rows() {
        return Rows.any();
    }

    @Provide
    Arbitrary<byte[]> codes() {
        return Arbitraries.bytes().array(byte[].class).ofSize(Nf4.BLOCK / 2);
    }

    @Provide
    Arbitrary<float[]> absmaxes() {
        return Arbitraries.integers()
                .between(1, 5000)
                .map(x -> x / 4000f)
                .array(float[].class)
                .ofMinSize(1)
                .ofMaxSize(600);
    }
}
