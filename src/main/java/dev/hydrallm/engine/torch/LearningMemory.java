package dev.hydrallm.engine.torch;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.training.Learner.Parameter;
import java.util.List;
import java.util.Locale;

/**
 * The bytes of a device's memory that learning takes, without what a batch adds.
 *
 * @param base its weights and room to compute
 * @param reading keys and values of the tokens that the base reads at once, and its matrices that draft layers or heads need as numbers
 * @param parameters values, gradients, moments, and values as they are computed with
 * @param logits of a chunk, as they come, as single numbers, probabilities, comparisons and gradients
 */
record LearningMemory(long base, long reading, long parameters, long logits) {
    /** Value, gradient and two moments. */
    private static final int KEPT = 4;

    private static final int BYTES_OF_A_LOGIT = 16;

    static LearningMemory of(
            MemoryPlan base,
            Architecture shape,
            DraftLayout draft,
            List<Parameter> parameters,
            LearnerOptions options,
            Arithmetic arithmetic) {
        long numbers = parameters.stream()
                .mapToLong(parameter -> {
                    long size = 1;
                    for (int length : parameter.shape()) {
                        size *= length;
                    }
                    return size;
                })
                .sum();
        long row = 2L
                * shape.layers()
                * shape.kvHeads()
                * shape.headDim()
                * arithmetic.cacheType().getNumOfBytes();
        boolean lastMatrix = draft.sharedLmHead() || options.distills();
        boolean embedding = draft.has(DraftPart.NEXT_TOKEN) && !(lastMatrix && shape.tiedEmbeddings());
        int computed = options.precision().bytes();
        long matrix = (long) shape.vocabSize() * shape.hiddenSize();
        long asNumbers = (lastMatrix ? matrix * (Float.BYTES + computed) : 0) + (embedding ? matrix * Float.BYTES : 0);
        int kept = Math.max(Float.BYTES, computed);
        return new LearningMemory(
                base.total(),
                FrozenBase.GPU_ROWS * row + asNumbers,
                numbers * (KEPT * kept + (computed == kept ? 0 : computed)),
                options.logitsAtOnce(LearnerOptions.GPU_CHUNK) * BYTES_OF_A_LOGIT);
    }

    long total() {
        return base + reading + parameters + logits;
    }

    /**
     * Refuses what will not fit.
     *
     * @throws IllegalArgumentException naming the sizes
     */
    void check(String device, Cuda.Memory memory) {
        if (total() > memory.free()) {
            throw new IllegalArgumentException(
                    ("%s has %s free of %s, and learning needs %s before the first batch: the base"
                                    + " %s, what it reads at once %s, parameters with gradients and moments %s, logits %s: take fewer"
                                    + " forked layers, heads that share the base's last matrix, a base of fewer bits or a larger GPU")
                            .formatted(
                                    device,
                                    gigabytes(memory.free()),
                                    gigabytes(memory.total()),
                                    gigabytes(total()),
                                    gigabytes(base),
                                    gigabytes(reading),
                                    gigabytes(parameters),
                                    gigabytes(logits)));
        }
    }

    private static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f GB", bytes / 1e9);
    }
}
