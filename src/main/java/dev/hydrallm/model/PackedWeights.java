package dev.hydrallm.model;

import dev.hydrallm.natives.NoRoomException;
import dev.hydrallm.natives.Sha256;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
final class PackedWeights implements AutoCloseable {
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
    private final Map<String, TensorSlot> slots = new LinkedHashMap<>();
    private final List<TensorSlot> inOrder;
    private final Arena shared = Arena.ofShared();
    private final TensorMemory memory = new TensorMemory();

    /** Bytes of large tensors that nobody took yet, and how many threads wait for a tensor. */
    private long ahead;

    private int waiting;

    /** Chunks that no reader took yet, and where the next one is. */
    private int[] chunks = {};

    private int nextChunk;
    private List<Thread> readers = List.of();
    private int running;
    private @Nullable Throwable failure;
    private boolean closed;

    private PackedWeights(Path file, FileDigest digest, LoadOptions options, List<TensorSlot> inOrder) {
        this.file = file;
        this.digest = digest;
        this.options = options;
        this.inOrder = inOrder;
        inOrder.forEach(slot -> slots.put(slot.entry.name(), slot));
    }

    /**
     * Reads a file's header and begins to read the rest.
     *
     * @throws ModelFormatException when the file is missing, unreadable, of another length than its digest says, or its header
     *     is not what the digest says or breaks the format
     */
    static PackedWeights open(Path file, FileDigest digest, LoadOptions options, Keep keep) {
        try (ChunkReader reader = new ChunkReader(file, digest, options)) {
            FirstChunks first = FirstChunks.read(file, digest, reader);
            List<TensorSlot> inOrder = first.entries().stream()
                    .map(entry -> new TensorSlot(entry, first.dataBegin()))
                    .toList();
            PackedWeights weights = new PackedWeights(file, digest, options, inOrder);
            if (keep == Keep.TENSORS) {
                inOrder.stream().filter(PackedWeights::holdsWeights).forEach(TensorSlot::want);
            }
            weights.distribute(first.last(), first.bytes());
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
        return inOrder.stream().map(slot -> slot.entry).toList();
    }

    /** Where a tensor begins in the file. */
    long begin(SafetensorsHeader.Entry entry) {
        return slot(entry.name()).begin;
    }

    private TensorSlot slot(String name) {
        TensorSlot slot = slots.get(name);
        if (slot == null) {
            throw new ModelFormatException(file + ": tensor " + name + " is missing");
        }
        return slot;
    }

    /**
     * A tensor, as soon as it is there. One that was released is read again.
     *
     * @throws ModelFormatException when the file is damaged, or has no tensor of that name
     */
    synchronized TensorView take(String name) {
        TensorSlot slot = slot(name);
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
     * Gives a tensor's bytes to a sink: as they are verified if none of them is in memory yet, else those of memory, which is
     * released then.
     *
     * @return waits until the sink has all of them, and throws what {@link #take} would
     */
    synchronized Runnable send(String name, TensorSink sink) {
        TensorSlot slot = slot(name);
        if (slot.wanted && slot.missing == slot.bytes() && slot.data == null) {
            slot.sink = sink;
            return () -> awaitSent(slot);
        }
        return () -> {
            sink.write(0, take(name).data());
            release(name);
        };
    }

    /** When reading fails a sink may still be written to: who waits may free what it fills as soon as this returns. */
    private synchronized void awaitSent(TensorSlot slot) {
        waitWhile(() -> slot.sink != null);
        slot.sink = null;
        boolean interrupted = false;
        while (slot.writers > 0) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true; // a write ends soon
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        checkUsable();
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
            TensorSlot slot = slot(name);
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
        inOrder.stream().filter(slot -> !slot.wanted && holdsWeights(slot)).forEach(TensorSlot::want);
        begin(IntStream.range(0, digest.chunks().size()).filter(this::isMissing).toArray());
    }

    private boolean isMissing(int chunk) {
        long begin = FileDigest.begin(chunk);
        long end = begin + digest.length(chunk);
        return inOrder.stream().anyMatch(slot -> slot.wanted && slot.missing > 0 && slot.overlaps(begin, end));
    }

    private synchronized void begin(int[] wantedChunks) {
        chunks = wantedChunks;
        nextChunk = 0;
        running = Math.min(options.actualThreads(), wantedChunks.length);
        readers = IntStream.range(0, running)
                .mapToObj(
                        i -> Thread.ofPlatform().name("hydra-load-", i).daemon().start(this::readChunks))
                .toList();
    }

    private void readChunks() {
        try (ChunkReader reader = new ChunkReader(file, digest, options)) {
            for (int[] claimed = claim(); claimed.length > 0; claimed = claim()) {
                List<MemorySegment> bytes = reader.read(claimed);
                for (int i = 0; i < claimed.length; i++) {
                    distribute(claimed[i], bytes.get(i));
                }
            }
        } catch (Throwable e) {
            fail(e); // an interrupt, too: only close interrupts
        } finally {
            end();
        }
    }

    /** The chunks that a reader takes next, several at once as long as all readers have enough; none: it is done. */
    private synchronized int[] claim() throws InterruptedException {
        while (ahead > AHEAD && waiting == 0 && !closed && failure == null) {
            wait();
        }
        int left = closed || failure != null ? 0 : chunks.length - nextChunk;
        int count = left >= Sha256.TOGETHER * running ? Sha256.TOGETHER : Math.min(left, 1);
        int[] claimed = Arrays.copyOfRange(chunks, nextChunk, nextChunk + count);
        nextChunk += count;
        return claimed;
    }

    private synchronized void fail(Throwable e) {
        if (failure == null && !closed) {
            failure = e;
        }
    }

    private void end() {
        boolean last;
        synchronized (this) {
            last = --running == 0;
            notifyAll();
        }
        if (last) {
            memory.freeUnused();
        }
    }

    /** Copies a verified chunk to the tensors that lie in it and are not there yet. */
    private void distribute(int chunk, MemorySegment bytes) {
        long begin = FileDigest.begin(chunk);
        long end = begin + bytes.byteSize();
        for (int i = firstEndingBehind(begin); i < inOrder.size() && inOrder.get(i).begin < end; i++) {
            TensorSlot slot = inOrder.get(i);
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

    private int firstEndingBehind(long place) {
        int low = 0;
        int high = inOrder.size();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (inOrder.get(middle).end > place) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return low;
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
        List<Thread> ending;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            ending = readers;
            notifyAll();
        }
        ending.forEach(Thread::interrupt);
        joinAll(ending);
        shared.close();
        memory.close();
    }

    private static void joinAll(List<Thread> threads) {
        boolean interrupted = false;
        for (Thread thread : threads) {
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true; // their memory cannot be freed before they end, and they end soon
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
