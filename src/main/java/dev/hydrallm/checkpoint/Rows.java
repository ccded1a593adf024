package dev.hydrallm.checkpoint;

import java.util.List;

/**
 * The rows of a matrix that is to be packed, made of the rows of one or more tensors. A row is {@code columns} numbers.
 */
interface Rows {
    long count();

    void read(long row, float[] target);

    /** A tensor's own rows. */
    static Rows of(SourceTensor tensor) {
        return new Rows() {
            @Override
            public long count() {
                return tensor.shape().size() == 1 ? 1 : tensor.shape().getFirst();
            }

            @Override
            public void read(long row, float[] target) {
                tensor.readRow(row, target);
            }
        };
    }

    /** Several below each other. */
    static Rows concatenated(List<Rows> parts) {
        return new Rows() {
            @Override
            public long count() {
                return parts.stream().mapToLong(Rows::count).sum();
            }

            @Override
            public void read(long row, float[] target) {
                long rest = row;
                for (Rows part : parts) {
                    if (rest < part.count()) {
                        part.read(rest, target);
                        return;
                    }
                    rest -= part.count();
                }
                throw new IndexOutOfBoundsException(row);
            }
        };
    }

    /**
     * The rows of a query or key projection, or numbers that belong to them, with rotary pairs side by side: within a head, row 2j is the source's row j
     * and row 2j+1 its row j + headDim/2.
     */
    static Rows rotaryPairs(Rows projection, int headDim) {
        return new Rows() {
            @Override
            public long count() {
                return projection.count();
            }

            @Override
            public void read(long row, float[] target) {
                long within = row % headDim;
                projection.read(row - within + within / 2 + within % 2 * (headDim / 2), target);
            }
        };
    }

    /** Rows of one number each as one row. */
    static Rows asOneRow(Rows column) {
        return new Rows() {
            @Override
            public long count() {
                return 1;
            }

            @Override
            public void read(long row, float[] target) {
                float[] number = new float[1];
                for (int i = 0; i < target.length; i++) {
                    column.read(i, number);
                    target[i] = number[0];
                }
            }
        };
    }
}
