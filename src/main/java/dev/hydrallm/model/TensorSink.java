package dev.hydrallm.model;

import java.lang.foreign.MemorySegment;

/** Takes a tensor's verified bytes instead of this process' memory, from several threads at once. */
@FunctionalInterface
public interface TensorSink {
    /**
     * Takes some of them, which are gone when it returns.
     *
     * @param offset where they stand in the tensor
     */
    void write(long offset, MemorySegment bytes);
}
