package dev.hydrallm.model;

/** A tensor that is on its way to a {@link TensorSink}. */
public interface Sending extends AutoCloseable {
    /**
     * Waits until the sink has all of it; the sink is not written to any more when this returns or throws.
     *
     * @throws ModelFormatException when the weights are damaged
     */
    void await();

    /** Ends it, whole or not: the sink is not written to any more when this returns. Idempotent. */
    @Override
    void close();
}
