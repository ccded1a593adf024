package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.quantization.Int4;
import dev.hydrallm.quantization.Int8;
import dev.hydrallm.quantization.Nf4;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * Turns one matrix into the bytes of its stored tensors. Rows may come in any order and on several threads; each row comes once.
 */
interface RowEncoder {
    /** The bytes of a row in the matrix's {@code weight}. */
    int rowBytes();

    /**
     * Encodes a row.
     *
     * @param target where its {@link #rowBytes} go, from its position on; little-endian
     * @throws IllegalArgumentException when a weight is not finite or too large for the format
     */
    void encode(int index, float[] row, ByteBuffer target);

    /** The bytes of the matrix's other tensors, in file order, once all rows are encoded. */
    default List<byte[]> others() {
        return List.of();
    }

    /** The encoder of a matrix. */
    static RowEncoder of(PackLayout.Matrix matrix, WeightFormat format) {
        int rows = Math.toIntExact(matrix.rows());
        int columns = Math.toIntExact(matrix.columns());
        return switch (format) {
            case WeightFormat.Floats(DType dtype) -> floats(dtype, columns);
            case WeightFormat.Int8() -> new Eight(columns, new float[rows]);
            case WeightFormat.Int4(int groupSize, WeightFormat.Int4.Symmetry symmetry) -> {
                int groups = columns / groupSize;
                short[][] scales = new short[rows][groups];
                yield switch (symmetry) {
                    case SYMMETRIC -> new Symmetric(columns, groupSize, scales);
                    case ASYMMETRIC -> new Asymmetric(columns, groupSize, scales, new short[rows][groups]);
                };
            }
            case WeightFormat.Nf4() -> new Normal(columns, new float[rows][columns / WeightFormat.Nf4.BLOCK]);
        };
    }

    /** The encoder of rows that stay numbers: of a vector too, which is one row. */
    static RowEncoder floats(DType dtype, int columns) {
        return switch (dtype) {
            case F32 -> new Single(columns);
            case F16 -> new Half(columns);
            default -> throw new IllegalArgumentException("numbers are stored as F32 or F16, not as " + dtype);
        };
    }

    /** Single precision. */
    record Single(int columns) implements RowEncoder {
        @Override
        public int rowBytes() {
            return columns * Float.BYTES;
        }

        @Override
        public void encode(int index, float[] row, ByteBuffer target) {
            target.asFloatBuffer().put(row);
        }
    }

    /** Half precision. */
    record Half(int columns) implements RowEncoder {
        @Override
        public int rowBytes() {
            return columns * Short.BYTES;
        }

        @Override
        public void encode(int index, float[] row, ByteBuffer target) {
            for (float weight : row) {
                target.putShort(Float.floatToFloat16(weight));
            }
        }
    }

    /** 8 bits, a scale for each row. */
    record Eight(int columns, float[] scales) implements RowEncoder {
        @Override
        public int rowBytes() {
            return columns;
        }

        @Override
        public void encode(int index, float[] row, ByteBuffer target) {
            byte[] codes = new byte[columns];
            scales[index] = Int8.encode(row, codes);
            target.put(codes);
        }

        @Override
        public List<byte[]> others() {
            return List.of(bytes(scales));
        }
    }

    /** 4 bits around zero, a scale for each group. */
    record Symmetric(int columns, int groupSize, short[][] scales) implements RowEncoder {
        @Override
        public int rowBytes() {
            return columns / 2;
        }

        @Override
        public void encode(int index, float[] row, ByteBuffer target) {
            byte[] codes = new byte[columns / 2];
            Int4.encodeSymmetric(row, groupSize, codes, scales[index]);
            target.put(codes);
        }

        @Override
        public List<byte[]> others() {
            return List.of(bytes(scales));
        }
    }

    /** 4 bits from a minimum on, a scale and a minimum for each group. */
    record Asymmetric(int columns, int groupSize, short[][] scales, short[][] minima) implements RowEncoder {
        @Override
        public int rowBytes() {
            return columns / 2;
        }

        @Override
        public void encode(int index, float[] row, ByteBuffer target) {
            byte[] codes = new byte[columns / 2];
            Int4.encodeAsymmetric(row, groupSize, codes, scales[index], minima[index]);
            target.put(codes);
        }

        @Override
        public List<byte[]> others() {
            return List.of(bytes(scales), bytes(minima));
        }
    }

    /** 4 bits of a normal distribution, with absmaxes that are quantized when all are known. */
    record Normal(int columns, float[][] absmaxes) implements RowEncoder {
        @Override
        public int rowBytes() {
            return columns / 2;
        }

        @Override
        public void encode(int index, float[] row, ByteBuffer target) {
            byte[] codes = new byte[columns / 2];
            Nf4.encode(row, codes, absmaxes[index]);
            target.put(codes);
        }

        @Override
        public List<byte[]> others() {
            int blocks = absmaxes[0].length;
            float[] all = new float[absmaxes.length * blocks];
            for (int row = 0; row < absmaxes.length; row++) {
                System.arraycopy(absmaxes[row], 0, all, row * blocks, blocks);
            }
            Nf4.Absmaxes quantized = Nf4.Absmaxes.encode(all);
            return List.of(quantized.codes(), bytes(quantized.scales()), bytes(new float[] {quantized.mean()}));
        }
    }

    private static byte[] bytes(float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return bytes.array();
    }

    private static byte[] bytes(short[][] rows) {
        ByteBuffer bytes =
                ByteBuffer.allocate(rows.length * rows[0].length * Short.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (short[] row : rows) {
            for (short value : row) {
                bytes.putShort(value);
            }
        }
        return bytes.array();
    }
}
