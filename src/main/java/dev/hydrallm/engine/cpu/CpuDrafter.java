package dev.hydrallm.engine.cpu;

import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.DecoderProgram.Accepted;
import dev.hydrallm.engine.DecoderProgram.Guesses;
import dev.hydrallm.engine.DecoderProgram.Rows;
import dev.hydrallm.engine.RowShape;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;

/** Draft layers and heads on the kernels, over rows that the base left behind. */
final class CpuDrafter {
    private final StepMemory memory;
    private final Kernels kernels;
    private final CpuWeights weights;
    private final DraftLayout draft;
    private final int vocabulary;
    private final int context;
    private final KvCaches caches;
    /** What the draft layers make of rows, and embeddings of the tokens behind them, (rows, hidden) each. */
    private final MemorySegment drafted;

    private final MemorySegment following;
    /** (slots, context, hidden): as many as a slot may hold, for what is never read late costs a copy only. */
    private final MemorySegment undrafted;
    /** What heads make of their rows, (heads, sequences, hidden). */
    private final MemorySegment states;

    private final MemorySegment places;

    CpuDrafter(StepMemory memory, CpuWeights weights, Architecture model, DraftLayout draft, StepRoom room) {
        this.memory = memory;
        this.kernels = memory.kernels;
        this.weights = weights;
        this.draft = draft;
        context = room.context();
        vocabulary = model.vocabSize();
        caches = new KvCaches(model, draft.forkedLayers(), room, memory.arena);
        drafted = memory.states(room.draftRows());
        following = draft.has(DraftPart.NEXT_TOKEN) ? memory.states(room.draftRows()) : MemorySegment.NULL;
        undrafted = memory.states((long) room.slots() * context);
        states = memory.states(room.headRows());
        places = memory.arena.allocate(ValueLayout.JAVA_INT, vocabulary);
    }

    /** See {@link DecoderProgram#draft}. */
    Guesses draft(Accepted accepted, List<Rows> rows, DraftShape wanted) {
        return draft(memory.tap, 0, accepted, rows, wanted);
    }

    /** See {@link DecoderProgram#putAside}. */
    void putAside(int slot, int place, int row) {
        memory.copyRows(memory.tap, row, undrafted, (long) slot * context + place, 1);
    }

    /** See {@link DecoderProgram#draftLate}. */
    Guesses draftLate(int[] next, Rows rows, DraftShape wanted) {
        int read = 0;
        for (; next.length - read > DecoderProgram.UNDRAFTED_ROWS; read += DecoderProgram.UNDRAFTED_ROWS) {
            draftLate(next, rows, read, read + DecoderProgram.UNDRAFTED_ROWS, DraftShape.NONE);
        }
        return draftLate(next, rows, read, next.length, wanted);
    }

    private Guesses draftLate(int[] next, Rows rows, int from, int to, DraftShape wanted) {
        Rows some = new Rows(rows.slot(), rows.start() + from, new RowShape.Run(to - from));
        Accepted all = Accepted.all(Arrays.copyOfRange(next, from, to));
        return draft(undrafted, (long) rows.slot() * context + from, all, List.of(some), wanted);
    }

    private Guesses draft(MemorySegment source, long first, Accepted accepted, List<Rows> rows, DraftShape wanted) {
        if (wanted.ranks() == 0) {
            draftLayers(source, first, accepted, rows);
            return Guesses.NONE;
        }
        headLogits(source, first, accepted, rows, wanted.heads());
        Guesses guesses = room(wanted, rows.size());
        takeBest(wanted.heads() * rows.size(), wanted.ranks(), guesses, 0);
        return guesses;
    }

    /** See {@link DecoderProgram#draftEach}. */
    Guesses draftEach(int[] next, Rows rows, DraftShape wanted) {
        int count = next.length;
        draftLayers(memory.tap, 0, Accepted.all(next), List.of(rows));
        normDrafted(count);
        Guesses guesses = room(wanted, count);
        for (int head = 0; head < wanted.heads(); head++) {
            // The base's states were of use for its own logits only.
            MemorySegment out = memory.rows(memory.normed, 0, count);
            residuals(head, count, out);
            kernels.linear(memory.workspace, weights.headLmHeads.get(head), out, count, memory.logits);
            takeBest(count, wanted.ranks(), guesses, head * count * wanted.ranks());
        }
        return guesses;
    }

    /** See {@link DecoderProgram#headLogits}. */
    float[] headLogits(int[] next) {
        Rows rows = new Rows(0, 0, new RowShape.Run(next.length));
        headLogits(memory.tap, 0, Accepted.all(next), List.of(rows), draft.heads());
        return memory.logits
                .asSlice(0, (long) draft.heads() * vocabulary * StepMemory.FLOAT)
                .toArray(ValueLayout.JAVA_FLOAT);
    }

    private static Guesses room(DraftShape wanted, int rows) {
        int count = wanted.heads() * rows * wanted.ranks();
        return new Guesses(new int[count], new float[count]);
    }

    /** The best tokens of the first rows of logits, which become probabilities, from a place on. */
    private void takeBest(int rows, int ranks, Guesses guesses, int at) {
        for (int row = 0; row < rows; row++) {
            MemorySegment own = memory.logits(row);
            kernels.top(own, vocabulary, places, ranks);
            kernels.softmax(own, vocabulary, 1);
            for (int rank = 0; rank < ranks; rank++) {
                int token = places.getAtIndex(ValueLayout.JAVA_INT, rank);
                guesses.tokens()[at + row * ranks + rank] = token;
                guesses.probabilities()[at + row * ranks + rank] = own.getAtIndex(ValueLayout.JAVA_FLOAT, token);
            }
        }
    }

    /** Runs the forked layers over rows of {@code source}, counted from {@code first}; fills {@link #drafted}. */
    private void draftLayers(MemorySegment source, long first, Accepted accepted, List<Rows> rows) {
        int[] taken = accepted.rows();
        for (int row = 0; row < taken.length; row++) {
            memory.copyRows(source, first + taken[row], drafted, row, 1);
        }
        if (draft.has(DraftPart.NEXT_TOKEN)) {
            for (int row = 0; row < taken.length; row++) {
                weights.embedding.lookUp(accepted.next()[row], memory.rows(following, row, 1));
            }
            kernels.addLinear(memory.workspace, weights.nextToken, following, taken.length, drafted);
        }
        if (draft.forkedLayers() > 0) {
            memory.decode(weights.forkedLayers, 0, draft.forkedLayers(), memory.batch(caches, rows), drafted);
        }
    }

    /** The first heads' logits after the last row of each sequence, (heads, sequences, vocabulary). */
    private void headLogits(MemorySegment source, long first, Accepted accepted, List<Rows> rows, int heads) {
        draftLayers(source, first, accepted, rows);
        int count = rows.size();
        int last = -1;
        for (int sequence = 0; sequence < count; sequence++) {
            last += rows.get(sequence).shape().count();
            memory.copyRows(drafted, last, drafted, sequence, 1);
        }
        normDrafted(count);
        for (int head = 0; head < heads; head++) {
            residuals(head, count, headStates(head, count));
        }
        if (draft.sharedLmHead()) {
            kernels.linear(memory.workspace, weights.lmHead, states, (long) heads * count, memory.logits);
        } else {
            for (int head = 0; head < heads; head++) {
                MemorySegment out = memory.logitsFrom((long) head * count);
                kernels.linear(memory.workspace, weights.headLmHeads.get(head), headStates(head, count), count, out);
            }
        }
    }

    private MemorySegment headStates(int head, int count) {
        return memory.rows(states, (long) head * count, count);
    }

    private void normDrafted(int count) {
        if (draft.forkedLayers() > 0) {
            kernels.norm(memory.shape, weights.forkedNorm, drafted, count, drafted);
        }
    }

    /** A head's blocks over the first rows of {@link #drafted}. */
    private void residuals(int head, int count, MemorySegment out) {
        MemorySegment in = memory.rows(drafted, 0, count);
        for (CpuWeights.Residual block : weights.residuals.get(head)) {
            // The kernel reads its input when the product is there: a block's result may not take its place.
            MemorySegment result = in.address() == out.address() ? memory.rows(memory.x, 0, count) : out;
            kernels.residual(memory.workspace, block.matrix(), block.bias(), in, count, result);
            in = result;
        }
        if (in.address() != out.address()) {
            out.copyFrom(in);
        }
    }
}
