package dev.hydrallm.training;

import java.nio.FloatBuffer;
import java.util.List;

/**
 * The port to a device that learns: a frozen base, forked layers and heads with their gradients, and AdamW's state.
 *
 * <p>Not thread-safe: one thread owns a learner and makes every call.
 */
public interface Learner extends AutoCloseable {

    /** What the base makes of a batch and the draft layers read; on the device, unless they come from a file. */
    interface States extends AutoCloseable {
        @Override
        void close();
    }

    /** A tensor that learns, by its name in a head checkpoint (see {@code checkpoint.DraftHeads.Names}). */
    record Parameter(String name, int[] shape) {}

    /** What is kept of a parameter between steps, all in single precision. */
    enum Part {
        VALUE,
        FIRST_MOMENT,
        SECOND_MOMENT
    }

    /**
     * One optimizer step.
     *
     * @param number of the step from 1, for AdamW's bias correction
     * @param weightDecay of matrices; norms and biases do not decay
     * @param maxGradientNorm gradients are scaled down to this norm over all parameters; infinity leaves them
     */
    record Update(
            long number,
            double learningRate,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            double maxGradientNorm) {}

    int heads();

    /** In a fixed order. */
    List<Parameter> parameters();

    /** Runs the frozen base, without gradients. */
    States read(List<Sample> batch);

    /** Bytes that {@link #stored} gives for each token of a sample. */
    int bytesPerToken();

    /** The states of a batch as bytes, for a cache on disk: sample by sample, token by token. */
    byte[] stored(States states);

    /** The states that {@link #stored} gave, of a batch of the same samples in the same order. */
    States restore(List<Sample> batch, byte[] stored);

    /**
     * Forward and backward: adds the gradient of Σ over heads weights[k] · (sum of head k's losses over the batch's labelled tokens).
     *
     * @param weights by head; usually the head's weight divided by the labels of the whole optimizer step, so that gradients of several
     *     batches add up to that of the mean
     * @return by head
     */
    List<HeadSums> learn(List<Sample> batch, States states, double[] weights);

    /** As {@link #learn}, without gradients. */
    List<HeadSums> measure(List<Sample> batch, States states);

    /**
     * Changes the parameters by the gradients so far, and forgets these.
     *
     * @return the gradients' norm before clipping; if it is infinite or no number nothing was changed
     */
    double update(Update update);

    /** Copies a part of a parameter, row by row. */
    void export(Parameter parameter, Part part, FloatBuffer into);

    /** Sets what {@link #export} gave. */
    void set(Parameter parameter, Part part, FloatBuffer from);

    /** Frees the device's memory. Idempotent. */
    @Override
    void close();
}
