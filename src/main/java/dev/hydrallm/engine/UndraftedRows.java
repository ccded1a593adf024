package dev.hydrallm.engine;

import dev.hydrallm.decoding.DraftShape;
import java.util.Arrays;

/**
 * The rows of one slot that the draft layers have yet to read: put aside after a forward, and read together when guesses are
 * wanted, which may be never.
 */
final class UndraftedRows {
    private final DecoderProgram program;
    private final int slot;
    /** The token behind each row that waits; grows. */
    private int[] next = {};

    private int from;
    private int count;

    UndraftedRows(DecoderProgram program, int slot) {
        this.program = program;
        this.slot = slot;
    }

    /** Only the slot's first rows go on: what waits behind them is forgotten. */
    void keep(int rows) {
        count = Math.clamp(rows - (long) from, 0, count);
    }

    boolean isEmpty() {
        return count == 0;
    }

    boolean hasRoomFor(int rows) {
        return count + rows <= program.mostUndraftedRows();
    }

    /**
     * Puts rows of the last forward aside; there must be room.
     *
     * @param position of the first of them; what waited from there on they replace
     */
    void add(int position, DecoderProgram.Accepted accepted) {
        keep(position);
        if (count == 0) {
            from = position;
        }
        int[] rows = accepted.rows();
        if (next.length < count + rows.length) {
            next = Arrays.copyOf(next, Math.max(count + rows.length, 2 * next.length));
        }
        System.arraycopy(accepted.next(), 0, next, count, rows.length);
        for (int row : rows) {
            program.putAside(slot, count++, row);
        }
    }

    /** Lets the draft layers read all that waits; the guesses are {@link DecoderProgram#draftLate}'s. */
    DecoderProgram.Guesses read(DraftShape wanted) {
        DecoderProgram.Guesses guesses = program.draftLate(
                Arrays.copyOf(next, count), new DecoderProgram.Rows(slot, from, new RowShape.Run(count)), wanted);
        count = 0;
        return guesses;
    }
}
