package dev.hydrallm.engine.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** Writes a structure of {@code hydra.h}, whose fields are 8 bytes each, in their order. */
final class Struct {
    private final MemorySegment memory;
    private long at;

    private Struct(MemorySegment memory) {
        this.memory = memory;
    }

    /** A structure, or several behind each other, of so many fields in all. */
    static Struct of(long fields, Arena arena) {
        return new Struct(arena.allocate(fields * Long.BYTES, Long.BYTES));
    }

    Struct number(long value) {
        memory.set(ValueLayout.JAVA_LONG, at, value);
        at += Long.BYTES;
        return this;
    }

    Struct real(double value) {
        return number(Double.doubleToRawLongBits(value));
    }

    Struct pointer(MemorySegment target) {
        return number(target.address());
    }

    /** The fields of a structure that is part of this one. */
    Struct fields(MemorySegment part) {
        MemorySegment.copy(part, 0, memory, at, part.byteSize());
        at += part.byteSize();
        return this;
    }

    /** The memory, once every field is written. */
    MemorySegment memory() {
        if (at != memory.byteSize()) {
            throw new IllegalStateException((memory.byteSize() - at) / Long.BYTES + " fields are not written");
        }
        return memory;
    }

    /** All memory, of which as many structures as were written count. */
    MemorySegment begun() {
        return memory;
    }

    /** Begins again with the first field. */
    Struct rewind() {
        at = 0;
        return this;
    }
}
