package dev.hydrallm.engine.torch;

/**
 * How an engine is set up.
 *
 * @param slots sequences that can run at once, each with its own KV cache
 * @param contextLength tokens of a sequence; 0 takes the model's, which is also the most
 * @param threads threads of one operator; 0 leaves it to the size of the model
 * @param maxNodes nodes of one step in all
 * @param prefillChunk prompt tokens of one forward
 */
public record TorchOptions(int slots, int contextLength, int threads, int maxNodes, int prefillChunk) {
    /** One sequence over the model's whole context on all processors. */
    public static final TorchOptions DEFAULT = new TorchOptions(1, 0, 0, 256, 256);

    public TorchOptions {
        require(slots >= 1 && slots <= 1024, "slots must be within 1 and 1024, not " + slots);
        require(contextLength >= 0, "context must be positive, or 0 for the model's, not " + contextLength);
        require(threads >= 0 && threads <= 1024, "threads must be within 1 and 1024, or 0 for all, not " + threads);
        require(maxNodes >= 1 && maxNodes <= 4096, "nodes of a step must be within 1 and 4096, not " + maxNodes);
        require(prefillChunk >= 1, "a prefill chunk must hold at least 1 token, not " + prefillChunk);
    }

    /** The same with this context length. */
    public TorchOptions withContextLength(int tokens) {
        return new TorchOptions(slots, tokens, threads, maxNodes, prefillChunk);
    }

    /** The same with this many threads. */
    public TorchOptions withThreads(int count) {
        return new TorchOptions(slots, contextLength, count, maxNodes, prefillChunk);
    }

    /** The same with this many slots. */
    public TorchOptions withSlots(int count) {
        return new TorchOptions(count, contextLength, threads, maxNodes, prefillChunk);
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }
}
