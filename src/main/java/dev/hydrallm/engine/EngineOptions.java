package dev.hydrallm.engine;

/**
 * How an engine is set up.
 *
 * @param slots sequences that can run at once, each with its own KV cache
 * @param contextLength tokens of a sequence; 0 takes the model's, which is also the most
 * @param threads threads of one operator; 0 leaves it to the engine
 * @param maxNodes nodes of one step in all
 * @param prefillChunk prompt tokens of one forward
 * @param kind what computes
 */
public record EngineOptions(int slots, int contextLength, int threads, int maxNodes, int prefillChunk, Kind kind) {
    /** The same on whatever can run the model. */
    public EngineOptions(int slots, int contextLength, int threads, int maxNodes, int prefillChunk) {
        this(slots, contextLength, threads, maxNodes, prefillChunk, Kind.AUTO);
    }

    /** What computes. */
    public enum Kind {
        /** The kernels where they can run the model, else libtorch. */
        AUTO,
        /** The program's own kernels for int8 weights on a processor. */
        KERNELS,
        /** libtorch's operators. */
        TORCH
    }

    /** One sequence over the model's whole context on all processors. */
    public static final EngineOptions DEFAULT = new EngineOptions(1, 0, 0, 256, 256, Kind.AUTO);

    public EngineOptions {
        require(slots >= 1 && slots <= 1024, "slots must be within 1 and 1024, not " + slots);
        require(contextLength >= 0, "context must be positive, or 0 for the model's, not " + contextLength);
        require(threads >= 0 && threads <= 1024, "threads must be within 1 and 1024, or 0 for all, not " + threads);
        require(maxNodes >= 1 && maxNodes <= 4096, "nodes of a step must be within 1 and 4096, not " + maxNodes);
        require(prefillChunk >= 1, "a prefill chunk must hold at least 1 token, not " + prefillChunk);
    }

    /** The same with this context length. */
    public EngineOptions withContextLength(int tokens) {
        return new EngineOptions(slots, tokens, threads, maxNodes, prefillChunk, kind);
    }

    /** The same with this many threads. */
    public EngineOptions withThreads(int count) {
        return new EngineOptions(slots, contextLength, count, maxNodes, prefillChunk, kind);
    }

    /** The same with this many slots. */
    public EngineOptions withSlots(int count) {
        return new EngineOptions(count, contextLength, threads, maxNodes, prefillChunk, kind);
    }

    /** The same on this kind of engine. */
    public EngineOptions on(Kind chosen) {
        return new EngineOptions(slots, contextLength, threads, maxNodes, prefillChunk, chosen);
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
