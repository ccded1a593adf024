package dev.hydrallm.training;

/**
 * How heads are trained.
 *
 * @param batchSize samples that pass through the model at once
 * @param accumulation batches of an optimizer step
 * @param epochs how often all samples are gone through; may be a fraction
 * @param maxSteps optimizer steps instead of {@code epochs}; 0 leaves it to these
 * @param learningRate its peak
 * @param warmupRatio share of the steps over which it rises to the peak
 * @param weightDecay of matrices; norms and biases do not decay
 * @param maxGradientNorm gradients are scaled down to this norm; infinity leaves them
 * @param headLossDecay head k's loss counts this to the power of k: 1 for all alike, 0.8 in Medusa's paper
 * @param seed of the order of samples
 */
public record TrainingOptions(
        int batchSize,
        int accumulation,
        double epochs,
        long maxSteps,
        double learningRate,
        double warmupRatio,
        Schedule schedule,
        double weightDecay,
        double maxGradientNorm,
        double headLossDecay,
        long seed) {
    static final double BETA1 = 0.9;
    static final double BETA2 = 0.999;
    static final double EPSILON = 1e-8;

    /** @throws IllegalArgumentException naming the first value out of its bounds */
    public TrainingOptions {
        require(batchSize >= 1 && batchSize <= 4096, "a batch must have 1 to 4096 samples, not " + batchSize);
        require(
                accumulation >= 1 && accumulation <= 1 << 16,
                "gradient accumulation must be within 1 and 65536 batches, not " + accumulation);
        require(maxSteps >= 0, "steps must not be negative: " + maxSteps);
        require(
                epochs > 0 && epochs <= 1e6 && Double.isFinite(epochs),
                "epochs must be more than 0 and at most 1e6, not " + epochs);
        require(
                learningRate > 0 && learningRate <= 10,
                "the learning rate must be within 0 and 10, not " + learningRate);
        require(warmupRatio >= 0 && warmupRatio <= 1, "the warm-up ratio must be within 0 and 1, not " + warmupRatio);
        require(weightDecay >= 0 && weightDecay <= 10, "the weight decay must be within 0 and 10, not " + weightDecay);
        require(maxGradientNorm > 0, "the largest gradient norm must be positive, not " + maxGradientNorm);
        require(
                headLossDecay > 0 && headLossDecay <= 1,
                "the decay of heads' losses must be more than 0 and at most 1, not " + headLossDecay);
    }

    /** What head {@code head}'s loss counts. */
    double weight(int head) {
        return Math.pow(headLossDecay, head);
    }

    /** All optimizer steps. */
    long steps(BatchPlan plan) {
        return maxSteps > 0 ? maxSteps : Math.max(1, (long) Math.ceil(epochs * plan.stepsPerEpoch() - 1e-9));
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
