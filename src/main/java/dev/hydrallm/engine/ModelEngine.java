package dev.hydrallm.engine;

import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Drafts;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.EngineLimits;
import dev.hydrallm.decoding.NotFiniteException;
import dev.hydrallm.decoding.Verdict;
import dev.hydrallm.engine.DecoderProgram.Accepted;
import dev.hydrallm.engine.DecoderProgram.Choice;
import dev.hydrallm.engine.DecoderProgram.Rows;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.PackedModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.IntStream;

/** A model on a device: prompts, batches and what the draft layers have yet to read. Made, used and closed on one thread. */
public final class ModelEngine implements Engine {
    private final DecoderProgram program;
    private final EngineLimits limits;
    private final int prefillChunk;
    private final DraftLayout draft;

    /** The last verified batch, for {@link #commit}. */
    private List<TreeQuery> verified = List.of();

    /** Of each slot. */
    private final List<UndraftedRows> undrafted;
    /** Of each slot: whether its sequence never drafts, so that the draft layers will not read its rows. */
    private final boolean[] plain;

    private ModelEngine(DecoderProgram program, EngineLimits limits, int prefillChunk, DraftLayout draft) {
        this.program = program;
        this.limits = limits;
        this.prefillChunk = prefillChunk;
        this.draft = draft;
        this.undrafted = IntStream.range(0, limits.slots())
                .mapToObj(slot -> new UndraftedRows(program, slot))
                .toList();
        this.plain = new boolean[limits.slots()];
    }

    /**
     * Loads a packed model, which must stay open as long as the engine.
     *
     * @throws IllegalArgumentException if the options ask for what the model cannot do
     */
    public static ModelEngine load(PackedModel model, EngineOptions options) {
        int context = contextLength(model, options);
        return of(Programs.load(model, options, context), model, options);
    }

    /** The engine around a program that was loaded with the same options. */
    static ModelEngine of(DecoderProgram program, PackedModel model, EngineOptions options) {
        EngineLimits limits = new EngineLimits(
                options.slots(),
                contextLength(model, options),
                options.maxNodes(),
                model.draft().heads(),
                model.architecture().vocabSize());
        return new ModelEngine(program, limits, options.prefillChunk(), model.draft());
    }

    /**
     * The tokens of a sequence: the option's, else all that the model was made for.
     *
     * @throws IllegalArgumentException if the option's are more
     */
    public static int contextLength(PackedModel model, EngineOptions options) {
        int trained = model.architecture().contextLength();
        int context = options.contextLength() == 0 ? trained : options.contextLength();
        if (context > trained) {
            throw new IllegalArgumentException(
                    "a context of " + context + " is longer than the " + trained + " tokens the model was made for");
        }
        return context;
    }

    @Override
    public EngineLimits limits() {
        return limits;
    }

    @Override
    public long busyNanos() {
        return program.busyNanos();
    }

    @Override
    public OptionalLong deviceNanos() {
        return program.deviceNanos();
    }

    @Override
    public Prefilled prefill(PrefillRequest request) {
        int[] tokens = request.tokens();
        checkPrompt(tokens, request.from());
        verified = List.of();
        int from = firstRow(request);
        undrafted.get(request.slot()).keep(from);
        plain[request.slot()] = request.wanted().isEmpty();
        while (tokens.length - from > prefillChunk) {
            int[] chunk = Arrays.copyOfRange(tokens, from, from + prefillChunk);
            forward(request, from, chunk, new Choice(prefillChunk, Selection.NONE));
            draft(request, from, Accepted.run(chunk, tokens[from + prefillChunk]), DraftShape.NONE);
            from += prefillChunk;
        }
        int[] rest = Arrays.copyOfRange(tokens, from, tokens.length);
        Selection selection =
                new Selection(List.of(new Selection.Part(request.rule(), DraftTree.ROOT_ONLY, tokens.length - 1)));
        double[] chosen = forward(request, from, rest, new Choice(rest.length - 1, selection));
        if (!choosesSomething(chosen, 0)) {
            throw new NotFiniteException();
        }
        int next = (int) chosen[0];
        return new Prefilled(
                next,
                draft(request, from, Accepted.run(rest, next), request.wanted().orElse(DraftShape.NONE)));
    }

    /** Draft layers that know the token behind a row know another one behind the last that is kept. */
    private int firstRow(PrefillRequest request) {
        boolean again = draft.has(DraftPart.NEXT_TOKEN) && request.wanted().isPresent();
        return again ? Math.max(0, request.from() - 1) : request.from();
    }

    private double[] forward(PrefillRequest request, int from, int[] chunk, Choice choice) {
        return program.verify(chunk, List.of(runOf(request.slot(), from, chunk.length)), choice);
    }

    /** The draft layers' part of a chunk of a prompt; they put it off if the prompt's end wants no guesses yet. */
    private Drafts draft(PrefillRequest request, int from, Accepted chunk, DraftShape wanted) {
        if (request.wanted().isEmpty()) {
            return Drafts.NONE;
        }
        UndraftedRows waiting = undrafted.get(request.slot());
        int rows = chunk.rows().length;
        if (request.wanted().get().ranks() == 0 && waiting.hasRoomFor(rows)) {
            waiting.add(from, chunk);
            return Drafts.NONE;
        }
        if (!waiting.isEmpty()) {
            waiting.read(DraftShape.NONE);
        }
        DraftShape asked = within(wanted);
        return drafts(program.draft(chunk, List.of(runOf(request.slot(), from, rows)), asked), 0, 1, asked);
    }

    private Rows runOf(int slot, int start, int rows) {
        return new Rows(slot, start, new RowShape.Run(rows));
    }

    private void checkPrompt(int[] tokens, int from) {
        if (tokens.length == 0) {
            throw new IllegalArgumentException("the prompt has no tokens");
        }
        if (tokens.length >= limits.contextLength()) {
            throw new IllegalArgumentException("the prompt has " + tokens.length + " tokens, and a context of "
                    + limits.contextLength() + " leaves no room for an answer");
        }
        if (from < 0 || from >= tokens.length) {
            throw new IllegalArgumentException("cannot keep " + from + " of " + tokens.length + " prompt tokens");
        }
        checkTokens(tokens, limits.vocabularySize());
    }

    static void checkTokens(int[] tokens, int vocabularySize) {
        for (int token : tokens) {
            if (token < 0 || token >= vocabularySize) {
                throw new IllegalArgumentException(
                        "token id " + token + " is not within 0 and " + (vocabularySize - 1));
            }
        }
    }

    @Override
    public List<Verdict> verify(List<TreeQuery> batch) {
        int[] ids = batch.stream()
                .flatMapToInt(query -> Arrays.stream(query.tokens()))
                .toArray();
        List<Selection.Part> selection = new ArrayList<>(batch.size());
        List<Rows> rows = new ArrayList<>(batch.size());
        for (TreeQuery query : batch) {
            selection.add(new Selection.Part(query.rule(), query.tree(), query.start()));
            rows.add(new Rows(query.slot(), query.start(), new RowShape.Nodes(query.tree())));
        }
        double[] chosen = program.verify(ids, rows, new Choice(0, new Selection(selection)));
        verified = List.copyOf(batch);
        List<Verdict> verdicts = new ArrayList<>(batch.size());
        int row = 0;
        for (TreeQuery query : batch) {
            int nodes = query.tree().nodes();
            int[] next = new int[nodes];
            float[] scores = new float[nodes];
            for (int node = 0; node < nodes; node++, row++) {
                boolean choice = choosesSomething(chosen, row);
                next[node] = choice ? (int) chosen[2 * row] : Verdict.NONE;
                scores[node] = choice ? (float) chosen[2 * row + 1] : Float.NEGATIVE_INFINITY;
            }
            verdicts.add(new Verdict(next, scores));
        }
        return verdicts;
    }

    private static boolean choosesSomething(double[] chosen, int row) {
        return !Double.isNaN(chosen[2 * row + 1]);
    }

    @Override
    public List<Drafts> commit(List<Acceptance> acceptances) {
        Drafts[] drafts = new Drafts[acceptances.size()];
        List<Integer> together = new ArrayList<>();
        List<Rows> rows = new ArrayList<>();
        List<Accepted> accepted = new ArrayList<>();
        DraftShape wanted = DraftShape.NONE;
        int firstRow = 0;
        int index = 0;
        for (TreeQuery query : verified) {
            if (index < acceptances.size() && acceptances.get(index).slot() == query.slot()) {
                Acceptance acceptance = acceptances.get(index);
                int[] path = acceptance.path();
                if (path[path.length - 1] != path.length - 1) {
                    program.keep(query.slot(), query.start(), path);
                }
                Accepted kept = accepted(query, acceptance, firstRow);
                if (acceptance.wanted().ranks() == 0) {
                    putAside(query, kept);
                    drafts[index] = Drafts.NONE;
                } else if (!undrafted.get(query.slot()).isEmpty()) {
                    putAside(query, kept);
                    DraftShape asked = within(acceptance.wanted());
                    drafts[index] = drafts(undrafted.get(query.slot()).read(asked), 0, 1, asked);
                } else {
                    accepted.add(kept);
                    rows.add(runOf(query.slot(), query.start(), path.length));
                    wanted = wanted.and(acceptance.wanted());
                    together.add(index);
                }
                index++;
            }
            firstRow += query.tree().nodes();
        }
        if (index < acceptances.size()) {
            throw new IllegalStateException("slot " + acceptances.get(index).slot() + " was not verified last");
        }
        verified = List.of();
        if (!rows.isEmpty()) {
            DraftShape asked = within(wanted);
            DecoderProgram.Guesses guesses = program.draft(joined(accepted), rows, asked);
            for (int i = 0; i < together.size(); i++) {
                drafts[together.get(i)] = drafts(guesses, i, rows.size(), asked);
            }
        }
        return List.of(drafts);
    }

    /** @param firstRow of the query in the last forward */
    private static Accepted accepted(TreeQuery query, Acceptance acceptance, int firstRow) {
        int[] path = acceptance.path();
        int[] next = new int[path.length];
        for (int i = 0; i < path.length - 1; i++) {
            next[i] = query.tokens()[path[i + 1]];
        }
        // Where there is none the sequence ends before its next step, whatever is drafted.
        next[path.length - 1] = Math.max(0, acceptance.next());
        return new Accepted(Arrays.stream(path).map(node -> firstRow + node).toArray(), next);
    }

    private static Accepted joined(List<Accepted> parts) {
        return new Accepted(
                parts.stream().flatMapToInt(part -> Arrays.stream(part.rows())).toArray(),
                parts.stream().flatMapToInt(part -> Arrays.stream(part.next())).toArray());
    }

    private void putAside(TreeQuery query, Accepted rows) {
        if (plain[query.slot()]) {
            return;
        }
        UndraftedRows waiting = undrafted.get(query.slot());
        if (!waiting.hasRoomFor(rows.rows().length)) {
            waiting.read(DraftShape.NONE);
        }
        waiting.add(query.start(), rows);
    }

    private DraftShape within(DraftShape wanted) {
        if (wanted.ranks() > limits.vocabularySize()) {
            throw new IllegalArgumentException("a draft tree asks for " + wanted.ranks()
                    + " guesses of a head, and the vocabulary has " + limits.vocabularySize() + " tokens");
        }
        return new DraftShape(Math.min(wanted.heads(), limits.draftHeads()), wanted.ranks());
    }

    /** One sequence's part of (heads, sequences, ranks). */
    private static Drafts drafts(DecoderProgram.Guesses guesses, int sequence, int sequences, DraftShape asked) {
        int[][] candidates = new int[asked.heads()][];
        float[][] probabilities = new float[asked.heads()][];
        for (int head = 0; head < candidates.length; head++) {
            int from = (head * sequences + sequence) * asked.ranks();
            candidates[head] = Arrays.copyOfRange(guesses.tokens(), from, from + asked.ranks());
            probabilities[head] = Arrays.copyOfRange(guesses.probabilities(), from, from + asked.ranks());
        }
        return new Drafts(candidates, probabilities);
    }

    /** The program, for tests that look inside. */
    DecoderProgram program() {
        return program;
    }

    @Override
    public void close() {
        program.close();
    }
}
