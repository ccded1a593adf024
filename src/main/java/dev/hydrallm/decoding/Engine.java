package dev.hydrallm.decoding;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The port to a device that holds one model: its weights, one KV cache slot per running sequence, and the draft heads.
 * Logits never cross it; the engine chooses tokens itself by each sequence's {@link AcceptanceRule}.
 *
 * <p>Not thread-safe: one thread owns an engine and makes every call.
 */
public interface Engine extends AutoCloseable {

    /** What the engine can hold. */
    EngineLimits limits();

    /**
     * Runs {@code tokens[from..]} of a prompt over the slot's KV rows 0..from, which must hold {@code tokens[0..from)}.
     *
     * @throws IllegalArgumentException if the prompt is empty, leaves no room in the context or names an unknown token
     * @throws NotFiniteException if the model computes what is infinite or not a number
     * @throws DeviceMemoryException if the device has not enough memory for it
     */
    Prefilled prefill(PrefillRequest request);

    /**
     * One forward over the nodes of all the sequences; a verdict for each, in order. Writes KV rows behind start.
     *
     * @throws DeviceMemoryException if the device has not enough memory for them at once; fewer may fit
     */
    List<Verdict> verify(List<TreeQuery> batch);

    /**
     * Keeps the accepted nodes of the last {@link #verify} as the slots' next KV rows and drafts from the last of them.
     *
     * @param acceptances for any of the sequences of the last verified batch, in its order
     */
    List<Drafts> commit(List<Acceptance> acceptances);

    /** Time spent inside the device's programs so far, ns; the rest of a step is overhead. */
    long busyNanos();

    /**
     * Time that a device of its own computed so far, ns, by its own clock: of each call from its first operator to its last. Empty
     * where the processor is the device.
     */
    default OptionalLong deviceNanos() {
        return OptionalLong.empty();
    }

    /** Frees the device's memory. Idempotent. */
    @Override
    void close();

    /**
     * A prompt to read.
     *
     * @param from how many of the slot's KV rows are kept, below the number of tokens
     * @param wanted guesses; with none the draft layers read the prompt when some are wanted; empty if the sequence will never
     *     want any, and they need not read its rows
     */
    record PrefillRequest(int slot, int[] tokens, int from, AcceptanceRule rule, Optional<DraftShape> wanted) {}

    /** The token chosen after a prompt, and what the heads propose after that one. */
    record Prefilled(int next, Drafts drafts) {}

    /**
     * One sequence's part of a batch.
     *
     * @param start committed KV rows of the slot, which is the root's position
     * @param tokens token id of each node, (nodes)
     */
    record TreeQuery(int slot, int start, int[] tokens, DraftTree tree, AcceptanceRule rule) {}

    /**
     * One sequence's accepted path.
     *
     * @param path node numbers from the root down
     * @param next the token chosen after the last of them, {@link Verdict#NONE} if there was none
     * @param wanted guesses; with none the draft layers read these rows when some are wanted next
     */
    record Acceptance(int slot, int[] path, int next, DraftShape wanted) {}
}
