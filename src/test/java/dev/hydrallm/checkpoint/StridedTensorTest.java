package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;

/** All 65,536 values of both 16-bit types, against their definitions. */
class StridedTensorTest {
    private static final ValueLayout.OfShort LITTLE =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @Test
    void everyBfloat16IsReadExactlyOrRefused() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            check(DType.BF16, bits, value(bits, 8, 127));
        }
    }

    @Test
    void everyHalfIsReadExactlyOrRefused() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            check(DType.F16, bits, value(bits, 5, 15));
        }
    }

    @Test
    void whatIsReadFromAHalfIsStoredAsTheSameHalf() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float value = Float.float16ToFloat((short) bits);
            if (Float.isFinite(value)) {
                assertThat(Float.floatToFloat16(value)).isEqualTo((short) bits);
            }
        }
    }

    /** IEEE 754: sign, exponent, fraction; not finite when the exponent is all ones. */
    private static double value(int bits, int exponentBits, int bias) {
        int fractionBits = 15 - exponentBits;
        int exponent = bits >> fractionBits & (1 << exponentBits) - 1;
        double fraction = (bits & (1 << fractionBits) - 1) / (double) (1 << fractionBits);
        double sign = bits >> 15 == 0 ? 1 : -1;
        if (exponent == (1 << exponentBits) - 1) {
            return fraction == 0 ? sign / 0 : Double.NaN;
        }
        return exponent == 0
                ? sign * fraction * Math.pow(2, 1 - bias)
                : sign * (1 + fraction) * Math.pow(2, exponent - bias);
    }

    private static void check(DType dtype, int bits, double expected) {
        MemorySegment data = MemorySegment.ofArray(new byte[2]);
        data.set(LITTLE, 0, (short) bits);
        StridedTensor tensor = new StridedTensor("w", dtype, List.of(1L), List.of(1L), data);
        float[] row = new float[1];
        if (Double.isFinite(expected)) {
            tensor.readRow(0, row);
            assertThat((double) row[0]).isEqualTo(expected);
        } else {
            assertThatThrownBy(() -> tensor.readRow(0, row)).isInstanceOf(ModelFormatException.class);
        }
    }
}
