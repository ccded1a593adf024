package dev.hydrallm.engine.cpu;

import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.model.DraftLayout;
import java.util.stream.IntStream;

/**
 * How much a step may hold.
 *
 * @param slots sequences
 * @param context tokens of a sequence
 * @param rows of a forward
 * @param headRows that all heads make of all sequences
 * @param cacheRows keys of a slot, whole blocks
 */
record StepRoom(int slots, int context, int rows, int headRows, int cacheRows) {
    static StepRoom of(DraftLayout draft, EngineOptions options, int context) {
        int slots = options.slots();
        // However few nodes a step has, each running sequence has one.
        int rows = Math.max(slots, Math.max(options.maxNodes(), options.prefillChunk()));
        // A tree's rows stand behind the last committed one.
        int blocks = Math.ceilDiv(context + options.maxNodes(), Kernels.BLOCK);
        return new StepRoom(slots, context, rows, Math.max(1, draft.heads()) * slots, blocks * Kernels.BLOCK);
    }

    /** Rows of the draft layers: of a forward, or of those that waited, which come together. */
    int draftRows() {
        return Math.max(rows, DecoderProgram.UNDRAFTED_ROWS);
    }

    /** Rows of any call. */
    int callRows() {
        return IntStream.of(rows, draftRows(), headRows).max().orElseThrow();
    }
}
