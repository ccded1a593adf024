package dev.hydrallm.engine.torch;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.Programs;

/**
 * How a learner is set up.
 *
 * @param device where base and learning parts compute: the processor or a GPU
 * @param precision of the learning parts' forward and backward; values and moments are singles, or doubles with {@link
 *     Precision#DOUBLE}
 * @param contextLength tokens of the longest sample; 0 takes the model's, which is also the most
 * @param threads threads of one operator on a processor; 0 takes all
 * @param distillationWeight of every head's Kullback-Leibler divergence from the base's own distribution, beside a cross-entropy's 1; 0
 *     computes none
 * @param chunkLogits logits that stand in memory at once, several times; 0 leaves it to the device
 */
public record LearnerOptions(
        Device device,
        Precision precision,
        int contextLength,
        int threads,
        double distillationWeight,
        long chunkLogits) {

    /** Logits of a chunk, of which some four copies stand beside each other, on a GPU and on a processor. */
    static final long GPU_CHUNK = 1L << 27;

    static final long PROCESSOR_CHUNK = 1L << 21;

    /** What the learning parts compute in. */
    public enum Precision {
        /** 32 bits. */
        SINGLE(6, 6, Float.BYTES),
        /** 16 bits of a single's range, the logits' softmax and all sums over batches in 32: for a GPU. */
        BFLOAT16(15, 6, Short.BYTES),
        /** 64 bits, for tests of the gradients. */
        DOUBLE(7, 7, Double.BYTES);

        private final int product;
        private final int sum;
        private final int bytes;

        Precision(int product, int sum, int bytes) {
            this.product = product;
            this.sum = sum;
            this.bytes = bytes;
        }

        /** TorchScript's number of the type that products are computed in. */
        int product() {
            return product;
        }

        /** Of a number that products are computed with. */
        int bytes() {
            return bytes;
        }

        /** TorchScript's number of the type of values, moments, gradients and softmax. */
        int sum() {
            return sum;
        }
    }

    /** @throws IllegalArgumentException naming the first value out of its bounds */
    public LearnerOptions {
        require(contextLength >= 0, "context must be positive, or 0 for the model's, not " + contextLength);
        require(threads >= 0 && threads <= 1024, "threads must be within 1 and 1024, or 0 for all, not " + threads);
        require(
                distillationWeight >= 0 && Double.isFinite(distillationWeight),
                "distillation weight must be 0 or more, not " + distillationWeight);
        require(chunkLogits >= 0, "logits of a chunk must be positive, or 0 for the device's, not " + chunkLogits);
    }

    /**
     * The device's usual precision over the model's whole context, without distillation.
     *
     * @throws IllegalArgumentException when a GPU is asked for and there is none
     */
    public static LearnerOptions on(Device device) {
        Device there = Programs.device(
                EngineOptions.DEFAULT.on(EngineOptions.Kind.TORCH).on(device));
        Precision precision = there instanceof Device.Cuda ? Precision.BFLOAT16 : Precision.SINGLE;
        return new LearnerOptions(there, precision, 0, 0, 0, 0);
    }

    /** The same in this precision. */
    public LearnerOptions in(Precision chosen) {
        return new LearnerOptions(device, chosen, contextLength, threads, distillationWeight, chunkLogits);
    }

    /** The same with samples of no more tokens than this. */
    public LearnerOptions withContextLength(int tokens) {
        return new LearnerOptions(device, precision, tokens, threads, distillationWeight, chunkLogits);
    }

    /** The same on so many threads of a processor. */
    public LearnerOptions withThreads(int count) {
        return new LearnerOptions(device, precision, contextLength, count, distillationWeight, chunkLogits);
    }

    /** The same with this distillation weight. */
    public LearnerOptions withDistillation(double weight) {
        return new LearnerOptions(device, precision, contextLength, threads, weight, chunkLogits);
    }

    /** The same with so many logits at once. */
    public LearnerOptions withChunkLogits(long logits) {
        return new LearnerOptions(device, precision, contextLength, threads, distillationWeight, logits);
    }

    /** The option's, else the device's. */
    long logitsAtOnce(long ofDevice) {
        return chunkLogits > 0 ? chunkLogits : ofDevice;
    }

    boolean distills() {
        return distillationWeight > 0;
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
