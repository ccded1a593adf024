package dev.hydrallm.serving;

import dev.hydrallm.decoding.DeviceMemoryException;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.EngineLimits;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.SpeculativeDecoder;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/**
 * The one loop of a device: takes requests from a bounded queue as slots get free, and steps all that run together.
 * Runs on a platform thread of its own, which makes, uses and closes the engine.
 *
 * <p>Thread-safe. Every submitted request ends: with a result, or with the reason why there is none.
 */
public final class DecodeLoop implements AutoCloseable {
    private static final Logger LOG = Logger.getLogger(DecodeLoop.class);
    private static final int NODE_BUDGET = 256;

    private final BlockingQueue<Generation> waiting;
    private final CompletableFuture<EngineLimits> limits = new CompletableFuture<>();
    private final Thread thread;
    private volatile int running;
    private volatile int committedTokens;
    private volatile boolean closing;
    private volatile boolean ended;

    /**
     * Starts loading an engine.
     *
     * @param queueLength requests that may wait for a slot
     */
    public DecodeLoop(Supplier<Engine> engine, int queueLength) {
        if (queueLength < 1) {
            throw new IllegalArgumentException("the queue must have room for at least 1 request, not " + queueLength);
        }
        waiting = new ArrayBlockingQueue<>(queueLength);
        thread = Thread.ofPlatform().name("hydra-decode").daemon(true).unstarted(() -> run(engine));
        thread.start();
    }

    /** Completes when the engine is loaded, exceptionally if it cannot be. */
    public CompletableFuture<EngineLimits> limits() {
        return limits;
    }

    /** Requests that have a slot. */
    public int running() {
        return running;
    }

    /** Tokens of the running requests that have KV rows. */
    public int committedTokens() {
        return committedTokens;
    }

    /** Requests that wait for a slot. */
    public int waiting() {
        return waiting.size();
    }

    /** Whether it takes requests, now or as soon as the engine is loaded; a device that failed never does again. */
    public boolean alive() {
        return !ended;
    }

    /**
     * Queues a request.
     *
     * @throws QueueFullException if too many wait already
     * @throws ModelUnavailableException if the model is being unloaded
     */
    synchronized void submit(Generation generation) {
        if (closing || ended) {
            throw unloaded();
        }
        if (!waiting.offer(generation)) {
            throw new QueueFullException(waiting.size());
        }
    }

    /** Takes a request that still waits out of the queue; false if it does not wait. */
    boolean withdraw(Generation generation) {
        return waiting.remove(generation);
    }

    private static ModelUnavailableException unloaded() {
        return new ModelUnavailableException("the model is being unloaded", Duration.ofSeconds(1));
    }

    private void run(Supplier<Engine> loader) {
        try (Engine engine = loader.get()) {
            limits.complete(engine.limits());
            serve(engine);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (Throwable e) {
            // While loading this is the loader's answer; later nobody asks for it.
            if (!limits.completeExceptionally(e)) {
                LOG.error("the decoding thread ended: nothing can be generated any more", e);
            }
        } finally {
            end();
        }
    }

    private synchronized void end() {
        ended = true;
        waiting.forEach(left -> left.fail(unloaded()));
        waiting.clear();
    }

    private void serve(Engine engine) throws InterruptedException {
        KvSlots slots = new KvSlots(engine.limits().slots());
        SpeculativeDecoder decoder = new SpeculativeDecoder(engine, NODE_BUDGET);
        Map<Sequence, Generation> active = new LinkedHashMap<>();
        try {
            while (!closing || !active.isEmpty() || !waiting.isEmpty()) {
                admit(slots, decoder, active);
                step(decoder, active);
                release(slots, active);
                running = active.size();
                committedTokens =
                        active.keySet().stream().mapToInt(Sequence::kvRows).sum();
            }
        } finally {
            running = 0;
            active.values().forEach(left -> left.fail(unloaded()));
        }
    }

    private void admit(KvSlots slots, SpeculativeDecoder decoder, Map<Sequence, Generation> active)
            throws InterruptedException {
        while (slots.available() > 0) {
            // With nothing to step there is time to wait; the pause is short so that closing is noticed.
            Generation next = active.isEmpty() ? waiting.poll(100, TimeUnit.MILLISECONDS) : waiting.poll();
            if (next == null) {
                return;
            }
            if (next.cancelled()) {
                next.finishUnstarted();
                continue;
            }
            Sequence sequence = next.start(slots);
            running = active.size() + 1;
            try {
                decoder.prefill(sequence);
                active.put(sequence, next);
            } catch (RuntimeException e) {
                slots.release(sequence.lease(), new int[0], 0);
                next.fail(e);
            } catch (Error e) {
                next.fail(e);
                throw e;
            }
        }
    }

    private static void step(SpeculativeDecoder decoder, Map<Sequence, Generation> active) {
        try {
            decoder.step(List.copyOf(active.keySet()));
        } catch (DeviceMemoryException e) {
            // Nothing happened yet: one by one, only who asks for too much finds no memory.
            active.forEach((sequence, generation) -> stepAlone(decoder, sequence, generation));
        } catch (RuntimeException e) {
            // What the slots hold after a broken step is unknown: every request of the batch ends with it.
            active.forEach((sequence, generation) -> end(sequence, generation, e));
            decoder.step(List.copyOf(active.keySet()));
        }
    }

    private static void stepAlone(SpeculativeDecoder decoder, Sequence sequence, Generation generation) {
        try {
            decoder.step(List.of(sequence));
        } catch (RuntimeException e) {
            end(sequence, generation, e);
            decoder.step(List.of(sequence));
        }
    }

    private static void end(Sequence sequence, Generation generation, RuntimeException reason) {
        sequence.cancel();
        generation.fail(reason);
    }

    private static void release(KvSlots slots, Map<Sequence, Generation> active) {
        active.entrySet().removeIf(entry -> {
            Sequence sequence = entry.getKey();
            if (sequence.finished().isEmpty()) {
                return false;
            }
            sequence.failure().ifPresent(entry.getValue()::fail);
            boolean broken = entry.getValue().result().isCompletedExceptionally();
            slots.release(
                    sequence.lease(),
                    broken ? new int[0] : sequence.committedTokens(),
                    broken ? 0 : sequence.draftRows());
            entry.getValue().finish(sequence);
            return true;
        });
    }

    /** Finishes what runs and waits, takes nothing new, and closes the engine. */
    @Override
    public void close() {
        synchronized (this) {
            closing = true;
        }
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
