package dev.hydrallm.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
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
 * still on its way.
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

    /** Bytes of a tensor that is worth giving back by itself; smaller ones share an arena. */
    static final long LARGE = 1 << 20;

    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path file;
    private final FileDigest digest;
    private final LoadOptions options;
    private final Map<String, Slot> slots = new LinkedHashMap<>();
    private final List<Slot> inOrder;
    private final Arena shared = Arena.ofShared();

    /** Chunks that no reader took yet, and where the next one is. */
    private int[] chunks = {};

    private int nextChunk;
    private List<Thread> readers = List.of();
    private int running;
    private @Nullable Throwable failure;
    private boolean closed;

    /** A tensor's place: in the file, and in memory from its first chunk until it is released. */
    private static final class Slot {
        final SafetensorsHeader.Entry entry;
        final long begin;
        final long end;
        boolean wanted;
        long missing;

        @Nullable
        MemorySegment data;

        @Nullable
        Arena arena;

        Slot(SafetensorsHeader.Entry entry, long dataBegin) {
            this.entry = entry;
            this.begin = dataBegin + entry.begin();
            this.end = dataBegin + entry.end();
        }

        void want() {
            wanted = true;
            missing = end - begin;
        }

        boolean isThere() {
            return wanted && missing == 0;
        }

        boolean overlaps(long from, long to) {
            return begin < to && end > from;
        }
    }

    private PackedWeights(Path file, FileDigest digest, LoadOptions options, List<Slot> inOrder) {
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
            if (digest.bytes() < Long.BYTES) {
                throw new ModelFormatException(file + ": " + digest.bytes() + " bytes are no safetensors file");
            }
            MemorySegment chunk = reader.read(0);
            long headerLength =
                    SafetensorsHeader.checkedLength(file, chunk.get(LENGTH, 0), digest.bytes() - Long.BYTES);
            byte[] start = new byte[Math.toIntExact(Long.BYTES + headerLength)];
            int last = -1;
            for (int done = 0; done < start.length; done += (int) chunk.byteSize()) {
                chunk = ++last == 0 ? chunk : reader.read(last);
                int length = (int) Math.min(chunk.byteSize(), start.length - done);
                MemorySegment.copy(chunk, ValueLayout.JAVA_BYTE, 0, start, done, length);
            }
            byte[] header = Arrays.copyOfRange(start, Long.BYTES, start.length);
            List<Slot> inOrder = SafetensorsHeader.parse(file, header, digest.bytes() - start.length).stream()
                    .map(entry -> new Slot(entry, start.length))
                    .toList();
            PackedWeights weights = new PackedWeights(file, digest, options, inOrder);
            if (keep == Keep.TENSORS) {
                inOrder.stream().filter(PackedWeights::holdsWeights).forEach(Slot::want);
            }
            weights.distribute(last, chunk);
            weights.begin(IntStream.range(last + 1, digest.chunks().size()).toArray());
            return weights;
        }
    }

    private static boolean holdsWeights(Slot slot) {
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

    private Slot slot(String name) {
        Slot slot = slots.get(name);
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
        Slot slot = slot(name);
        while (true) {
            checkUsable();
            if (slot.isThere()) {
                return slot.entry.view(memory(slot).asReadOnly());
            }
            if (!slot.wanted && running == 0) {
                readAgain();
            }
            waitWhile(() -> !slot.isThere() && (slot.wanted || running > 0));
        }
    }

    /** Frees a tensor's memory, which nobody may look at any more. Small ones stay: they are not worth the trouble. */
    void release(String name) {
        Arena freed;
        synchronized (this) {
            Slot slot = slot(name);
            freed = slot.arena;
            if (freed == null || slot.missing > 0) {
                return;
            }
            slot.wanted = false;
            slot.arena = null;
            slot.data = null;
        }
        freed.close();
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
            case OutOfMemoryError none ->
                throw new IllegalStateException(
                        file + ": not enough memory: " + none.getMessage() + ": take a smaller model", none);
            default -> throw new IllegalStateException(file + ": reading failed: " + failure, failure);
        }
    }

    private synchronized void waitWhile(BooleanSupplier unfinished) {
        try {
            while (unfinished.getAsBoolean() && failure == null && !closed) {
                wait();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while " + file + " was read", e);
        }
    }

    /** Reads all that was released: who asks for one tensor again asks for the others, too. */
    private void readAgain() {
        inOrder.stream().filter(slot -> !slot.wanted && holdsWeights(slot)).forEach(Slot::want);
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
            for (int chunk = claim(); chunk >= 0; chunk = claim()) {
                distribute(chunk, reader.read(chunk));
            }
        } catch (Throwable e) {
            fail(e);
        } finally {
            end();
        }
    }

    private synchronized int claim() {
        return closed || failure != null || nextChunk == chunks.length ? -1 : chunks[nextChunk++];
    }

    private synchronized void fail(Throwable e) {
        if (failure == null && !closed) {
            failure = e;
        }
    }

    private synchronized void end() {
        running--;
        notifyAll();
    }

    /** Copies a verified chunk to the tensors that lie in it and are not there yet. */
    private void distribute(int chunk, MemorySegment bytes) {
        long begin = FileDigest.begin(chunk);
        long end = begin + bytes.byteSize();
        for (int i = firstEndingBehind(begin); i < inOrder.size() && inOrder.get(i).begin < end; i++) {
            Slot slot = inOrder.get(i);
            long from = Math.max(begin, slot.begin);
            long to = Math.min(end, slot.end);
            MemorySegment target = missing(slot);
            if (target != null) {
                MemorySegment.copy(bytes, from - begin, target, from - slot.begin, to - from);
                arrived(slot, to - from);
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

    private synchronized @Nullable MemorySegment missing(Slot slot) {
        return slot.wanted && slot.missing > 0 && !closed ? memory(slot) : null;
    }

    @SuppressWarnings("MustBeClosedChecker") // release or close does
    private MemorySegment memory(Slot slot) {
        if (slot.data == null) {
            long bytes = slot.end - slot.begin;
            if (bytes < LARGE) {
                slot.data = shared.allocate(bytes, PackLayout.ALIGNMENT);
            } else {
                slot.arena = Arena.ofShared();
                slot.data = NativeMemory.allocate(bytes, slot.arena);
            }
        }
        return slot.data;
    }

    private synchronized void arrived(Slot slot, long bytes) {
        slot.missing -= bytes;
        if (slot.missing == 0) {
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
        List<Arena> arenas = new ArrayList<>(List.of(shared));
        synchronized (this) {
            for (Slot slot : inOrder) {
                if (slot.arena != null) {
                    arenas.add(slot.arena);
                }
            }
        }
        arenas.forEach(Arena::close);
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
