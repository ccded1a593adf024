package dev.hydrallm.model;

import dev.hydrallm.natives.Sha256;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/** Threads that read and verify chunks of a file, in their order and each once. */
final class ReadingPass implements AutoCloseable {
    /** Who takes what they read, called by several of them at once. */
    interface Target {
        /** Waits until there is room for more; an interrupt ends the thread. */
        void awaitRoom() throws InterruptedException;

        /** Whether nobody wants more. */
        boolean isEnded();

        /** Takes a verified chunk, whose bytes are gone when this returns. */
        void take(int chunk, MemorySegment bytes);

        /** Says what ended a thread before its time. */
        void fail(Throwable e);

        /** A thread ends. */
        void end();
    }

    private final int[] chunks;
    private final Supplier<ChunkReader> opener;
    private final Target target;
    private final List<Thread> threads;

    /** The first of the chunks that no thread has. */
    private final AtomicInteger next = new AtomicInteger();

    /**
     * A pass that is not begun.
     *
     * @param opener opens the file for a thread
     */
    ReadingPass(int[] chunks, int mostThreads, Supplier<ChunkReader> opener, Target target) {
        this.chunks = chunks;
        this.opener = opener;
        this.target = target;
        this.threads = IntStream.range(0, Math.min(mostThreads, chunks.length))
                .mapToObj(
                        i -> Thread.ofPlatform().name("hydra-load-", i).daemon().unstarted(this::read))
                .toList();
    }

    /** How many threads read. */
    int threads() {
        return threads.size();
    }

    /** Begins to read. */
    void begin() {
        threads.forEach(Thread::start);
    }

    private void read() {
        try (ChunkReader reader = opener.get()) {
            for (int[] claimed = claim(); claimed.length > 0; claimed = claim()) {
                List<MemorySegment> bytes = reader.read(claimed);
                for (int i = 0; i < claimed.length; i++) {
                    target.take(claimed[i], bytes.get(i));
                }
            }
        } catch (Throwable e) {
            target.fail(e); // an interrupt, too: only close interrupts
        } finally {
            target.end();
        }
    }

    /** The chunks that a thread takes next, several as long as all threads have enough; none: it is done. */
    private int[] claim() throws InterruptedException {
        target.awaitRoom();
        if (target.isEnded()) {
            return new int[0];
        }
        int first = next.getAndUpdate(from -> from + together(from));
        return IntStream.range(first, first + together(first))
                .map(i -> chunks[i])
                .toArray();
    }

    private int together(int first) {
        int left = chunks.length - first;
        return left >= Sha256.TOGETHER * threads.size() ? Sha256.TOGETHER : Math.min(left, 1);
    }

    /** Interrupts the threads and waits until they are gone. */
    @Override
    public void close() {
        threads.forEach(Thread::interrupt);
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
