package dev.hydrallm.model;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A tensor's place: in the file, and in memory from its first chunk until it is released. Guarded by {@link PackedWeights}. */
final class TensorSlot {
    final SafetensorsHeader.Entry entry;

    /** Where it begins and ends in the file. */
    final long begin;

    final long end;

    /** Whether it is in memory or to be read. */
    boolean wanted;

    /** Threads that write a part of it just now. */
    int writers;

    /** Bytes that are yet to come, if it is wanted. */
    long missing;

    /** Whether somebody took it. */
    boolean taken;

    @Nullable
    MemorySegment data;

    /** Where the data go instead, until all are there. */
    @Nullable
    TensorSink sink;

    /** What the data are in; null for a small tensor. */
    TensorMemory.@Nullable Lease lease;

    TensorSlot(SafetensorsHeader.Entry entry, long dataBegin) {
        this.entry = entry;
        this.begin = dataBegin + entry.begin();
        this.end = dataBegin + entry.end();
    }

    void want() {
        wanted = true;
        taken = false;
        missing = bytes();
    }

    long bytes() {
        return end - begin;
    }

    boolean isThere() {
        return wanted && missing == 0;
    }

    boolean overlaps(long from, long to) {
        return begin < to && end > from;
    }
}
