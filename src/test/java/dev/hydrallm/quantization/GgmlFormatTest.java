package dev.hydrallm.quantization;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;

/**
 * Blocks packed here from scales and codes, by the loops of {@code quantize_row_*_ref} in ggml (the reader goes by weight
 * instead), with scales that make every product exact.
 */
class GgmlFormatTest {
    private static final float D = 0.25f;
    private static final float M = -1.5f;

    @Example
    void aBlockOfEachSimpleFormatWrittenOutByHand() {
        // 0.25 is 0x3400 and -1.5 is 0xbe00 as a half.
        assertThat(decode(GgmlFormat.Q4_0, 32, "0034" + "f0" + "1e".repeat(15)))
                .startsWith(-2, 1.5f, 1.5f)
                .satisfies(values -> assertThat(values[16]).isEqualTo(1.75f))
                .endsWith(-1.75f, -1.75f);
        assertThat(decode(GgmlFormat.Q4_1, 32, "0034" + "00be" + "f0" + "1e".repeat(15)))
                .startsWith(-1.5f, 2, 2)
                .satisfies(values -> assertThat(values[16]).isEqualTo(2.25f))
                .endsWith(-1.25f, -1.25f);
        // Fifth bits of weights 0 and 31.
        assertThat(decode(GgmlFormat.Q5_0, 32, "0034" + "01000080" + "f0" + "1e".repeat(15)))
                .startsWith(0, -0.5f, -0.5f)
                .satisfies(values -> assertThat(values[16]).isEqualTo(-0.25f))
                .endsWith(-3.75f, 0.25f);
        assertThat(decode(GgmlFormat.Q5_1, 32, "0034" + "00be" + "01000080" + "f0" + "1e".repeat(15)))
                .startsWith(2.5f, 2, 2)
                .satisfies(values -> assertThat(values[16]).isEqualTo(2.25f))
                .endsWith(-1.25f, 2.75f);
        assertThat(decode(GgmlFormat.Q8_0, 32, "0034" + "80" + "7f" + "ff" + "00".repeat(29)))
                .startsWith(-32, 31.75f, -0.25f, 0)
                .endsWith(0);
        assertThat(decode(GgmlFormat.F32, 2, "0000803e" + "0000c0bf")).containsExactly(0.25f, -1.5f);
        assertThat(decode(GgmlFormat.F16, 2, "0034" + "00be")).containsExactly(0.25f, -1.5f);
        assertThat(decode(GgmlFormat.BF16, 2, "803e" + "c0bf")).containsExactly(0.25f, -1.5f);
    }

    @Property(tries = 100)
    void fourBits(@ForAll Random random) {
        int[] codes = codes(random, 32, 16);
        float[] scaled = new float[32];
        float[] shifted = new float[32];
        for (int i = 0; i < 32; i++) {
            scaled[i] = (codes[i] - 8) * D;
            shifted[i] = codes[i] * D + M;
        }
        assertDecoded(GgmlFormat.Q4_0, block(18).putShort(half(D)).put(nibbles(codes)), scaled);
        assertDecoded(
                GgmlFormat.Q4_1, block(20).putShort(half(D)).putShort(half(M)).put(nibbles(codes)), shifted);
    }

    @Property(tries = 100)
    void fiveBits(@ForAll Random random) {
        int[] codes = codes(random, 32, 32);
        float[] scaled = new float[32];
        float[] shifted = new float[32];
        int high = 0;
        for (int i = 0; i < 32; i++) {
            scaled[i] = (codes[i] - 16) * D;
            shifted[i] = codes[i] * D + M;
            high |= (codes[i] / 16) << i;
        }
        assertDecoded(GgmlFormat.Q5_0, block(22).putShort(half(D)).putInt(high).put(nibbles(codes)), scaled);
        assertDecoded(
                GgmlFormat.Q5_1,
                block(24).putShort(half(D)).putShort(half(M)).putInt(high).put(nibbles(codes)),
                shifted);
    }

    @Property(tries = 100)
    void superBlocksOfFourAndFiveBits(@ForAll Random random) {
        int[] scales = codes(random, 8, 64);
        int[] mins = codes(random, 8, 64);
        int[] four = codes(random, 256, 16);
        int[] five = codes(random, 256, 32);
        float[] ofFour = new float[256];
        float[] ofFive = new float[256];
        for (int i = 0; i < 256; i++) {
            ofFour[i] = D * scales[i / 32] * four[i] - 0.5f * mins[i / 32];
            ofFive[i] = D * scales[i / 32] * five[i] - 0.5f * mins[i / 32];
        }
        byte[] packed = packedScales(scales, mins);
        assertDecoded(
                GgmlFormat.Q4_K,
                block(144).putShort(half(D)).putShort(half(0.5f)).put(packed).put(superNibbles(four)),
                ofFour);
        byte[] high = new byte[32];
        for (int n = 0, m1 = 1, m2 = 2; n < 256; n += 64, m1 <<= 2, m2 <<= 2) {
            for (int j = 0; j < 32; j++) {
                high[j] |= (byte) (five[n + j] > 15 ? m1 : 0);
                high[j] |= (byte) (five[n + j + 32] > 15 ? m2 : 0);
            }
        }
        assertDecoded(
                GgmlFormat.Q5_K,
                block(176)
                        .putShort(half(D))
                        .putShort(half(0.5f))
                        .put(packed)
                        .put(high)
                        .put(superNibbles(five)),
                ofFive);
    }

    @Property(tries = 100)
    void superBlocksOfSixBits(@ForAll Random random) {
        int[] codes = codes(random, 256, 64);
        byte[] scales = new byte[16];
        random.nextBytes(scales);
        float[] expected = new float[256];
        for (int i = 0; i < 256; i++) {
            expected[i] = D * scales[i / 16] * (codes[i] - 32);
        }
        ByteBuffer block = block(210);
        byte[] low = new byte[128];
        byte[] high = new byte[64];
        for (int j = 0, ql = 0, qh = 0; j < 256; j += 128, ql += 64, qh += 32) {
            for (int l = 0; l < 32; l++) {
                low[ql + l] = (byte) ((codes[j + l] & 0xf) | (codes[j + l + 64] & 0xf) << 4);
                low[ql + l + 32] = (byte) ((codes[j + l + 32] & 0xf) | (codes[j + l + 96] & 0xf) << 4);
                high[qh + l] = (byte) ((codes[j + l] >> 4)
                        | ((codes[j + l + 32] >> 4) << 2)
                        | ((codes[j + l + 64] >> 4) << 4)
                        | ((codes[j + l + 96] >> 4) << 6));
            }
        }
        assertDecoded(GgmlFormat.Q6_K, block.put(low).put(high).put(scales).putShort(half(D)), expected);
    }

    @Example
    void everyBlockOfARowHasItsOwnScale() {
        byte[] row = new byte[68];
        ByteBuffer.wrap(row).order(ByteOrder.LITTLE_ENDIAN).putShort(0, half(1)).putShort(34, half(2));
        row[2] = 3;
        row[36] = 3;
        float[] values = new float[64];
        GgmlFormat.Q8_0.decode(row, values);
        assertThat(values[0]).isEqualTo(3);
        assertThat(values[32]).isEqualTo(6);
    }

    @Example
    void lengthsThatDoNotGoTogetherAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> GgmlFormat.Q8_0.decode(new byte[34], new float[31]));
        assertThatIllegalArgumentException().isThrownBy(() -> GgmlFormat.Q8_0.decode(new byte[33], new float[32]));
    }

    private static void assertDecoded(GgmlFormat format, ByteBuffer block, float[] expected) {
        assertThat(block.hasRemaining()).isFalse();
        float[] values = new float[format.elements()];
        byte[] bytes = new byte[format.bytes()];
        block.get(0, bytes);
        format.decode(bytes, values);
        assertThat(values).isEqualTo(expected);
    }

    private static float[] decode(GgmlFormat format, int count, String hex) {
        float[] values = new float[count];
        format.decode(java.util.HexFormat.of().parseHex(hex), values);
        return values;
    }

    private static int[] codes(Random random, int count, int bound) {
        return random.ints(count, 0, bound).toArray();
    }

    private static ByteBuffer block(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static short half(float value) {
        return Float.floatToFloat16(value);
    }

    private static byte[] nibbles(int[] codes) {
        byte[] packed = new byte[16];
        for (int j = 0; j < 16; j++) {
            packed[j] = (byte) ((codes[j] & 0xf) | (codes[j + 16] & 0xf) << 4);
        }
        return packed;
    }

    private static byte[] superNibbles(int[] codes) {
        byte[] packed = new byte[128];
        for (int j = 0, to = 0; j < 256; j += 64) {
            for (int l = 0; l < 32; l++) {
                packed[to++] = (byte) ((codes[j + l] & 0xf) | (codes[j + l + 32] & 0xf) << 4);
            }
        }
        return packed;
    }

    /** As {@code quantize_row_q4_K_ref} packs them. */
    private static byte[] packedScales(int[] scales, int[] mins) {
        byte[] packed = new byte[12];
        for (int j = 0; j < 8; j++) {
            if (j < 4) {
                packed[j] = (byte) scales[j];
                packed[j + 4] = (byte) mins[j];
            } else {
                packed[j + 4] = (byte) ((scales[j] & 0xf) | (mins[j] & 0xf) << 4);
                packed[j - 4] |= (byte) (scales[j] >> 4 << 6);
                packed[j] |= (byte) (mins[j] >> 4 << 6);
            }
        }
        return packed;
    }
}
