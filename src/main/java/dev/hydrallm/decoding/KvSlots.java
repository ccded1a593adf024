package dev.hydrallm.decoding;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * The engine's KV cache slots: which are free, and which tokens each still holds from the request before, so that the
 * next request that starts with the same tokens pays only for what is new. Thread-safe.
 */
public final class KvSlots {
    private static final int[] EMPTY = {};

    /** What the rows of one slot hold. The draft layers' rows may end earlier than the base's. */
    private static final class Slot {
        final int index;
        int[] tokens = EMPTY;
        int draftRows;
        long lastUsed;

        Slot(int index) {
            this.index = index;
        }

        int reusable(int[] prompt, boolean drafting) {
            // The last prompt token is always run: its logits choose the first token.
            int limit = Math.min(prompt.length - 1, drafting ? draftRows : tokens.length);
            int common = Arrays.mismatch(prompt, tokens);
            return Math.clamp(common < 0 ? limit : Math.min(limit, common), 0, Integer.MAX_VALUE);
        }
    }

    /**
     * A slot in use.
     *
     * @param reused leading prompt tokens whose rows the slot already holds
     */
    public record Lease(int slot, int reused) {}

    private final List<Slot> free = new ArrayList<>();
    private final Slot[] slots;
    private long clock;

    public KvSlots(int count) {
        slots = new Slot[count];
        for (int i = 0; i < count; i++) {
            slots[i] = new Slot(i);
            free.add(slots[i]);
        }
    }

    /** How many slots are free. */
    public synchronized int available() {
        return free.size();
    }

    /**
     * Takes the free slot that shares the longest prefix with {@code prompt}; among equals the one unused longest.
     *
     * @param tree the tree to be decoded with; one that drafts needs the draft layers' rows too
     * @throws IllegalStateException if none is free
     */
    public synchronized Lease acquire(int[] prompt, DraftTree tree) {
        boolean drafting = tree.depth() > 0;
        Slot slot = free.stream()
                .max(Comparator.<Slot>comparingInt(s -> s.reusable(prompt, drafting))
                        .thenComparingLong(s -> -s.lastUsed))
                .orElseThrow(() -> new IllegalStateException("no free KV slot"));
        free.remove(slot);
        int reused = slot.reusable(prompt, drafting);
        slot.draftRows = Math.min(slot.draftRows, reused);
        slot.tokens = Arrays.copyOf(prompt, reused);
        return new Lease(slot.index, reused);
    }

    /**
     * Gives a slot back after a sequence.
     *
     * @param committed the tokens whose rows the slot holds now; empty after a failure
     * @param draftRows how many of them the draft layers have read for this sequence; what was reused counts by itself
     */
    public synchronized void release(Lease lease, int[] committed, int draftRows) {
        Slot slot = slots[lease.slot()];
        if (free.contains(slot)) {
            throw new IllegalStateException("KV slot " + lease.slot() + " is free already");
        }
        slot.tokens = committed;
        slot.draftRows = Math.min(committed.length, Math.max(slot.draftRows, draftRows));
        slot.lastUsed = ++clock;
        free.add(slot);
    }
}
