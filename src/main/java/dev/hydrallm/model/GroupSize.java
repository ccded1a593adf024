package dev.hydrallm.model;

import java.util.ArrayList;
import java.util.List;

/**
 * How much a pack spends on the matrices of one tensor group, scales included, fillers left out.
 *
 * @param weights how many weights the matrices hold
 */
public record GroupSize(TensorGroup group, WeightFormat format, long weights, long bytes) {
    /** The sizes of the groups that a model has, in the order of {@link TensorGroup}. */
    public static List<GroupSize> of(Manifest manifest) {
        List<GroupSize> sizes = new ArrayList<>();
        manifest.quantization().forEach((group, format) -> {
            long weights = 0;
            long bytes = 0;
            for (PackLayout.Part part : PackLayout.parts(manifest.architecture(), manifest.draft())) {
                if (part instanceof PackLayout.Matrix matrix && matrix.group() == group) {
                    weights += matrix.rows() * matrix.columns();
                    bytes += bytes(part, manifest);
                }
            }
            sizes.add(new GroupSize(group, format, weights, bytes));
        });
        return sizes;
    }

    /** The bytes of what is no matrix: norms and biases. */
    public static long ofVectors(Manifest manifest) {
        return PackLayout.parts(manifest.architecture(), manifest.draft()).stream()
                .filter(PackLayout.Vector.class::isInstance)
                .mapToLong(part -> bytes(part, manifest))
                .sum();
    }

    /** What one weight takes, its share of the scales included. */
    public double bitsPerWeight() {
        return (double) bytes * Byte.SIZE / weights;
    }

    private static long bytes(PackLayout.Part part, Manifest manifest) {
        return PackLayout.stored(part, manifest.quantization()).stream()
                .mapToLong(stored -> TensorView.byteSize(stored.dtype(), stored.shape()))
                .sum();
    }
}
