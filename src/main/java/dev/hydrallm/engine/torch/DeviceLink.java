package dev.hydrallm.engine.torch;

import java.lang.foreign.MemorySegment;

/** The way of weights into a device's memory. */
interface DeviceLink extends AutoCloseable {
    /** Fills memory with the bytes of a tensor from {@code offset} on. */
    @FunctionalInterface
    interface Source {
        void read(long offset, MemorySegment target);
    }

    /** Copies bytes to a device address and waits until they are there. Thread-safe. */
    void send(Source source, long bytes, long address);

    /** Frees what nobody copies through. Idempotent. */
    @Override
    void close();
}
