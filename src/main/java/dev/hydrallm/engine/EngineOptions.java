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
 * @param device where it computes
 * @param precision of weights that are stored as numbers, on a GPU
 */
public record EngineOptions(
        int slots,
        int contextLength,
        int threads,
        int maxNodes,
        int prefillChunk,
        Kind kind,
        Device device,
        Precision precision) {
    /** The same on whatever can run the model. */
    public EngineOptions(int slots, int contextLength, int threads, int maxNodes, int prefillChunk) {
        this(slots, contextLength, threads, maxNodes, prefillChunk, Kind.AUTO);
    }

    /** The same on a processor's engine of this kind, or on whatever device it finds. */
    public EngineOptions(int slots, int contextLength, int threads, int maxNodes, int prefillChunk, Kind kind) {
        this(slots, contextLength, threads, maxNodes, prefillChunk, kind, Device.AUTO, Precision.HALF);
    }

    /** What computes. */
    public enum Kind {
        /** libtorch on a GPU; on a processor the kernels where they can run the model, else libtorch. */
        AUTO,
        /** The program's own kernels for int8 weights on a processor. */
        KERNELS,
        /** libtorch's operators. */
        TORCH
    }

    /** What a GPU computes in where weights are stored as numbers; quantized ones, and processors, do not ask. */
    public enum Precision {
        /** 16 bits; sums have 32. */
        HALF,
        /** 32 bits, attention in 64: several times slower. */
        SINGLE
    }

    /** One sequence over the model's whole context on the best device there is. */
    public static final EngineOptions DEFAULT = new EngineOptions(1, 0, 0, 256, 256);

    public EngineOptions {
        require(slots >= 1 && slots <= 1024, "slots must be within 1 and 1024, not " + slots);
        require(contextLength >= 0, "context must be positive, or 0 for the model's, not " + contextLength);
        require(threads >= 0 && threads <= 1024, "threads must be within 1 and 1024, or 0 for all, not " + threads);
        require(maxNodes >= 1 && maxNodes <= 4096, "nodes of a step must be within 1 and 4096, not " + maxNodes);
        require(prefillChunk >= 1, "a prefill chunk must hold at least 1 token, not " + prefillChunk);
        require(
                kind != Kind.KERNELS || !(device instanceof Device.Cuda),
                "the kernels compute on a processor, not on " + device + ": give --engine torch, or --device cpu");
    }

    /** The same with this context length. */
    public EngineOptions withContextLength(int tokens) {
        return new EngineOptions(slots, tokens, threads, maxNodes, prefillChunk, kind, device, precision);
    }

    /** The same with this many threads. */
    public EngineOptions withThreads(int count) {
        return new EngineOptions(slots, contextLength, count, maxNodes, prefillChunk, kind, device, precision);
    }

    /** The same with this many slots. */
    public EngineOptions withSlots(int count) {
        return new EngineOptions(count, contextLength, threads, maxNodes, prefillChunk, kind, device, precision);
    }

    /** The same on this kind of engine. */
    public EngineOptions on(Kind chosen) {
        return new EngineOptions(slots, contextLength, threads, maxNodes, prefillChunk, chosen, device, precision);
    }

    /** The same on this device. */
    public EngineOptions on(Device chosen) {
        return new EngineOptions(slots, contextLength, threads, maxNodes, prefillChunk, kind, chosen, precision);
    }

    /** The same in this precision. */
    public EngineOptions in(Precision chosen) {
        return new EngineOptions(slots, contextLength, threads, maxNodes, prefillChunk, kind, device, chosen);
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
