package dev.hydrallm.testing;

import dev.hydrallm.model.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;

/** A small tensor of numbers that F32, F16 and BF16 all hold exactly. */
public record TestTensor(DType dtype, List<Long> shape, float[] values) {

    /** Multiples of 1/32 below 4, from a seed. */
    public static TestTensor random(DType dtype, long seed, long... shape) {
        List<Long> lengths = java.util.Arrays.stream(shape).boxed().toList();
        Random random = new Random(seed);
        float[] values =
                new float[(int) lengths.stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (random.nextInt(255) - 127) / 32f;
        }
        return new TestTensor(dtype, lengths, values);
    }

    /** The same numbers in another type. */
    public TestTensor as(DType other) {
        return new TestTensor(other, shape, values);
    }

    /** The elements as a file holds them. */
    public byte[] bytes() {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            switch (dtype) {
                case F32 -> bytes.putFloat(value);
                case F16 -> bytes.putShort(Float.floatToFloat16(value));
                case BF16 -> bytes.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                case I8 -> bytes.put((byte) value);
                default -> throw new IllegalArgumentException(dtype.name());
            }
        }
        return bytes.array();
    }
}
