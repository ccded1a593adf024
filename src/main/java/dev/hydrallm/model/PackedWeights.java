package dev.hydrallm.model;

import dev.hydrallm.natives.NoRoomException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The tensors of a weights file, read into memory outside the heap. Several threads take the file's chunks in turn, verify each
 * and copy it to the tensors that lie in it, so a tensor can be had as soon as its last chunk is verified, while the rest is
 * still on its way. They pause while more than {@value #AHEAD} bytes wait to be taken, unless somebody waits for what they would
 * read next; the memory of released tensors is used for the next ones.
 *
 * <p>Thread-safe. The first thing that is wrong with the file ends all reading and is what every later call throws.
 */
final class PackedWeights implements AutoCloseable, ReadingPass.Target {
    /** What is kept of the file while it is verified. */
    enum Keep {
        /** Every tensor, until it is released. */
        TENSORS,
        /** Nothing: tensors are read when one is asked for. */
        NOTHING
    }

    /** Bytes that are read ahead of who takes them. */
    static final long AHEAD = 64 << 20;

    /** Bytes of a tensor that is worth giving back by itself, a large page; smaller ones share an arena, the demo's all do. */
    static final long LARGE = 2 << 20;

    private final Path file;
    private final FileDigest digest;
    private final LoadOptions options;
    private final DirectPace pace;
    private final TensorSlots slots;
    private final Arena shared = Arena.ofShared();
    private final TensorMemory memory = new TensorMemory();

    /** Bytes of large tensors that nobody took yet, and how many threads wait for a tensor. */
    private long ahead;

    private int waiting;

    private @Nullable ReadingPass pass;

    /** Threads of the pass that did not end yet. */
    private int running;

    private @Nullable Throwable failure;
    private boolean closed;

    private PackedWeights(Path file, FileDigest digest, LoadOptions options, DirectPace pace, TensorSlots slots) {
        this.file = file;
        this.digest = digest;
        this.options = options;
        this.pace = pace;
        this.slots = slots;
    }

    /**
     * Reads a file's header and begins to read the rest.
     *
     * @throws ModelFormatException when the file is missing, unreadable, of another length than its digest says, or its header
     *     is not what the digest says or breaks the format
     */
    static PackedWeights open(Path file, FileDigest digest, LoadOptions options, Keep keep) {
        DirectPace pace = new DirectPace(options.threadsFor(digest.bytes()));
        try (ChunkReader reader = new ChunkReader(file, digest, options, pace)) {
            FirstChunks first = FirstChunks.read(file, digest, reader);
            TensorSlots slots = new TensorSlots(file, first.entries(), first.dataBegin());
            PackedWeights weights = new PackedWeights(file, digest, options, pace, slots);
            if (keep == Keep.TENSORS) {
                slots.all().stream().filter(PackedWeights::holdsWeights).forEach(TensorSlot::want);
            }
            weights.take(first.last(), first.bytes());
            weights.begin(
                    IntStream.range(first.last() + 1, digest.chunks().size()).toArray());
            return weights;
        }
    }

    private static boolean holdsWeights(TensorSlot slot) {
        return !slot.entry.name().startsWith(PackLayout.PAD_PREFIX);
    }

    /** What the file holds, in its order. */
    List<SafetensorsHeader.Entry> entries() {
        return slots.all().stream().map(slot -> slot.entry).toList();
    }

    /** Where a tensor begins in the file. */
    long begin(SafetensorsHeader.Entry entry) {
        return slots.named(entry.name()).begin;
    }

    /**
     * A tensor, as soon as it is there. One that was released is read again.
     *
     * @throws ModelFormatException when the file is damaged, or has no tensor of that name
     */
    synchronized TensorView take(String name) {
        TensorSlot slot = slots.named(name);
        if (!holdsWeights(slot)) {
            throw new IllegalArgumentException(name + " fills a gap of the file: nobody needs it");
        }
        while (true) {
            checkUsable();
            if (slot.isThere()) {
                takeAway(slot);
                return slot.entry.view(memory(slot).asReadOnly());
            }
            if (!slot.wanted && running == 0) {
                readAgain();
            }
            waitWhile(() -> !slot.isThere() && (slot.wanted || running > 0));
        }
    }

    /**
     * Gives a tensor's bytes to a sink: as they are verified if none of them is in memory yet, else those of memory when somebody
     * waits for them, which are released then.
     *
     * <p>A reader that writes to a sink may wait there for tensors that the sink needs. They stand before the bytes that it has, so
     * their chunks were claimed before, each by a reader that waits for what stands before its own bytes only, if for anything:
     * they come, whatever waits.
     */
    synchronized Sending send(String name, List<String> needed, TensorSink sink) {
        TensorSlot slot = slots.named(name);
        boolean comesAfterNeeded =
                needed.stream().map(slots::named).allMatch(other -> other.wanted && other.end <= slot.begin);
        boolean isUntouched = slot.wanted && slot.missing == slot.bytes() && slot.data == null && slot.sink == null;
        if (isUntouched && comesAfterNeeded) {
            slot.sink = sink;
            return new FromFile(slot);
        }
        return new FromMemory(name, sink);
    }

    /** The readers write to the sink. */
    private final class FromFile implements Sending {
        private final TensorSlot slot;
        private boolean ended;

        FromFile(TensorSlot slot) {
            this.slot = slot;
        }

        @Override
        public void await() {
            synchronized (PackedWeights.this) {
                try {
                    waitWhile(() -> slot.sink != null);
                } finally {
                    close();
                }
                checkUsable();
            }
        }

        /** Waits for who writes to the sink just now, too: what it fills may be freed then. */
        @Override
        public void close() {
            synchronized (PackedWeights.this) {
                if (ended) {
                    return;
                }
                ended = true;
                if (slot.sink != null) {
                    slot.sink = null;
                    slot.wanted = false; // what the sink has is lost: who asks for the tensor has it read again
                }
                boolean interrupted = false;
                while (slot.writers > 0) {
                    try {
                        PackedWeights.this.wait();
                    } catch (InterruptedException e) {
                        interrupted = true; // a write ends soon
                    }
                }
                if (interrupted) {
                    Thread.currentThread().interrupt();
                }
            }
        }
    }

    /** Who waits writes to the sink. */
    private final class FromMemory implements Sending {
        private final String name;
        private final TensorSink sink;

        FromMemory(String name, TensorSink sink) {
            this.name = name;
            this.sink = sink;
        }

        @Override
        public void await() {
            sink.write(0, take(name).data());
            release(name);
        }

        @Override
        public void close() {
            // Nobody else writes to it.
        }
    }

    private void takeAway(TensorSlot slot) {
        if (!slot.taken && slot.lease != null) {
            ahead -= slot.bytes();
            notifyAll();
        }
        slot.taken = true;
    }

    /** Frees a tensor's memory, which nobody may look at any more. Small ones stay: they are not worth the trouble. */
    void release(String name) {
        TensorMemory.Lease ended;
        synchronized (this) {
            TensorSlot slot = slots.named(name);
            ended = slot.lease;
            if (ended == null || slot.missing > 0) {
                return;
            }
            takeAway(slot);
            slot.wanted = false;
            slot.lease = null;
            slot.data = null;
        }
        memory.giveBack(ended);
        // Asked only now: the last reader frees what was given back before it ended.
        if (!isReading()) {
            memory.freeUnused();
        }
    }

    private synchronized boolean isReading() {
        return running > 0;
    }

    /**
     * Waits until every byte of the file is verified.
     *
     * @throws ModelFormatException when one is wrong
     */
    synchronized void awaitVerified() {
        waitWhile(() -> running > 0);
        checkUsable();
    }

    private void checkUsable() {
        if (closed) {
            throw new IllegalStateException(file + " is closed");
        }
        switch (failure) {
            case null -> {}
            case ModelFormatException wrong ->
                throw new ModelFormatException(String.valueOf(wrong.getMessage()), wrong);
            case NoRoomException none ->
                throw new IllegalStateException(
                        file + ": " + none.getMessage() + ": take a smaller model or free memory", none);
            default -> throw new IllegalStateException(file + ": reading failed: " + failure, failure);
        }
    }

    private synchronized void waitWhile(BooleanSupplier unfinished) {
        waiting++;
        notifyAll();
        try {
            while (unfinished.getAsBoolean() && failure == null && !closed) {
                wait();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while " + file + " was read", e);
        } finally {
            waiting--;
        }
    }

    /** Reads all that was released: who asks for one tensor again asks for the others, too. */
    private void readAgain() {
        slots.all().stream().filter(slot -> !slot.wanted && holdsWeights(slot)).forEach(TensorSlot::want);
        begin(IntStream.range(0, digest.chunks().size()).filter(this::isMissing).toArray());
    }

    private boolean isMissing(int chunk) {
        long begin = FileDigest.begin(chunk);
        long end = begin + digest.length(chunk);
        return slots.within(begin, end).stream().anyMatch(slot -> slot.wanted && slot.missing > 0);
    }

    private synchronized void begin(int[] chunks) {
        ReadingPass next = new ReadingPass(
                chunks, options.threadsFor(digest.bytes()), () -> new ChunkReader(file, digest, options, pace), this);
        pass = next;
        running = next.threads();
        next.begin();
    }

    @Override
    public synchronized void awaitRoom() throws InterruptedException {
        while (ahead > AHEAD && waiting == 0 && !isEnded()) {
            wait();
        }
    }

    @Override
    public synchronized boolean isEnded() {
        return closed || failure != null;
    }

    @Override
    public synchronized void fail(Throwable e) {
        if (!isEnded()) {
            failure = e;
        }
    }

    @Override
    public void end() {
        boolean last;
        synchronized (this) {
            last = --running == 0;
            notifyAll();
        }
        if (last) {
            memory.freeUnused();
        }
    }

    /** Gives a verified chunk to the tensors that lie in it and are not there yet. */
    @Override
    public void take(int chunk, MemorySegment bytes) {
        long begin = FileDigest.begin(chunk);
        long end = begin + bytes.byteSize();
        for (TensorSlot slot : slots.within(begin, end)) {
            long from = Math.max(begin, slot.begin);
            long to = Math.min(end, slot.end);
            TensorSink target = missing(slot);
            if (target != null) {
                long written = 0;
                try {
                    target.write(from - slot.begin, bytes.asSlice(from - begin, to - from));
                    written = to - from;
                } finally {
                    arrived(slot, written);
                }
            }
        }
    }

    private synchronized @Nullable TensorSink missing(TensorSlot slot) {
        if (!slot.wanted || slot.missing == 0 || closed) {
            return null;
        }
        MemorySegment memory = slot.sink == null ? memory(slot) : MemorySegment.NULL;
        slot.writers++;
        if (slot.sink != null) {
            return slot.sink;
        }
        return (offset, bytes) -> MemorySegment.copy(bytes, 0, memory, offset, bytes.byteSize());
    }

    private MemorySegment memory(TensorSlot slot) {
        if (slot.data == null) {
            if (slot.bytes() < LARGE) {
                slot.data = shared.allocate(slot.bytes(), PackLayout.ALIGNMENT);
            } else {
                slot.lease = memory.lease(slot.bytes());
                slot.data = slot.lease.bytes();
                ahead += slot.bytes();
            }
        }
        return slot.data;
    }

    private synchronized void arrived(TensorSlot slot, long bytes) {
        slot.missing -= bytes;
        slot.writers--;
        if (slot.writers == 0) {
            notifyAll();
        }
        if (slot.missing == 0) {
            if (slot.sink != null) {
                slot.sink = null;
                slot.wanted = false;
            }
            notifyAll();
        }
    }

    /** Ends all reading, and frees everything when the readers are gone. */
    @Override
    public void close() {
        ReadingPass ending;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            ending = pass;
            notifyAll();
        }
        if (ending != null) {
            ending.close();
        }
        shared.close();
        memory.close();
    }
}
