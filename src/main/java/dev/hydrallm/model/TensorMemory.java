package dev.hydrallm.model;

import dev.hydrallm.natives.LargePages;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Memory of large tensors, lent again to the next one of the same size: the kernel takes as long to clear a new page as a fast
 * disk does to fill it, and a model's layers are all alike. Thread-safe.
 */
public final class TensorMemory implements AutoCloseable {
    private final Map<Long, Deque<Block>> unused = new HashMap<>();
    private final Set<Lease> leases = new HashSet<>();

    private record Block(MemorySegment bytes, Arena arena) {}

    /** Memory that is lent; its bytes cannot be read any more when it was given back. */
    public static final class Lease {
        private final Block block;
        private final Arena arena;
        private final MemorySegment bytes;

        @SuppressWarnings("restricted") // the same bytes for a shorter time
        private Lease(Block block, Arena arena) {
            this.block = block;
            this.arena = arena;
            this.bytes = block.bytes.reinterpret(arena, null);
        }

        /** As many as were asked for. */
        public MemorySegment bytes() {
            return bytes;
        }
    }

    /**
     * Lends memory, whatever is in it, that begins at a page.
     *
     * @throws dev.hydrallm.natives.NoRoomException when the system has none
     */
    @SuppressWarnings("MustBeClosedChecker") // giveBack, freeUnused or close does
    public synchronized Lease lease(long bytes) {
        Deque<Block> ready = unused.get(bytes);
        Block block;
        if (ready == null || ready.isEmpty()) {
            Arena arena = Arena.ofShared();
            block = new Block(LargePages.allocate(bytes, arena), arena);
        } else {
            block = ready.pop();
        }
        Lease lease = new Lease(block, Arena.ofShared());
        leases.add(lease);
        return lease;
    }

    /** Ends a lease. */
    public void giveBack(Lease lease) {
        lease.arena.close();
        synchronized (this) {
            leases.remove(lease);
            unused.computeIfAbsent(lease.block.bytes.byteSize(), size -> new ArrayDeque<>())
                    .push(lease.block);
        }
    }

    /** Frees what is not lent. */
    synchronized void freeUnused() {
        unused.values().forEach(blocks -> blocks.forEach(block -> block.arena.close()));
        unused.clear();
    }

    /** Ends all leases and frees everything. */
    @Override
    public synchronized void close() {
        for (Lease lease : leases) {
            lease.arena.close();
            lease.block.arena.close();
        }
        leases.clear();
        freeUnused();
    }
}
