package dev.hydrallm.decoding;

import dev.hydrallm.decoding.Statistics.Phases;
import dev.hydrallm.decoding.TokenSink.Demand;
import dev.hydrallm.decoding.TokenSink.Origin;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The mutable state of one running request. Owned by the decoding thread, but for {@link #cancel}, which anyone may
 * call.
 */
public final class Sequence {
    private final KvSlots.Lease lease;
    private final int promptLength;
    private final Speculation speculation;
    private final boolean adaptive;
    /** Made with the prompt's reading, when the decoder is known whose experience it takes. */
    private Optional<DraftChooser> chooser = Optional.empty();

    private final AcceptanceRule rule;
    private final StopRules stops;
    private final TokenSink sink;

    /** Prompt and output; the first {@link #committed} of them have KV rows. */
    private int[] tokens;

    private int length;
    private int committed;
    private int next;
    private Drafts drafts = Drafts.NONE;
    /** What the heads were asked for the next step. */
    private DraftShape wanted = DraftShape.NONE;

    /** Committed rows that the draft layers have not read yet. */
    private int undrafted;

    private final List<Integer> acceptLengths = new ArrayList<>();
    private int draftedTokens;
    private int[] draftedSteps;
    private Phases phases = Phases.ZERO;
    private Optional<FinishReason> finish = Optional.empty();
    private Optional<NotFiniteException> failure = Optional.empty();
    private volatile boolean cancelled;

    /**
     * A request that is about to start.
     *
     * @param prompt token ids, not empty
     * @param speculation what to draft each step, no deeper than the engine has heads
     * @param sink takes the tokens; must not throw
     */
    public Sequence(
            KvSlots.Lease lease,
            int[] prompt,
            Speculation speculation,
            AcceptanceRule rule,
            StopRules stops,
            TokenSink sink) {
        this.lease = lease;
        this.tokens = prompt.clone();
        this.length = prompt.length;
        this.promptLength = prompt.length;
        this.speculation = speculation;
        // A limit of steps would make the text's end depend on how much each drafts.
        this.adaptive = speculation.extent() != Speculation.Extent.WHOLE
                && rule.lossless()
                && stops.maxSteps() == StopRules.UNLIMITED;
        this.rule = rule;
        this.stops = stops;
        this.sink = sink;
        this.draftedSteps = new int[speculation.tree().depth()];
    }

    /** Ends the sequence before its next step. */
    public void cancel() {
        cancelled = true;
    }

    /** Why it ended; empty while it runs. */
    public Optional<FinishReason> finished() {
        return finish;
    }

    /** What broke it; empty if it runs or ended otherwise. */
    public Optional<NotFiniteException> failure() {
        return failure;
    }

    /** The generated ids so far, after every cut; ends with the end-of-sequence id if that ended it. */
    public int[] output() {
        return Arrays.copyOfRange(tokens, promptLength, length);
    }

    /** The tokens that have KV rows in the slot. */
    public int[] committedTokens() {
        return Arrays.copyOf(tokens, committed);
    }

    /** How many tokens have KV rows in the slot. */
    public int kvRows() {
        return committed;
    }

    /**
     * How many leading tokens of the slot the draft layers have read for this sequence, or will once a prompt that builds on them
     * drafts; 0 if it never drafts.
     */
    public int draftRows() {
        return speculation.tree().depth() == 0 ? 0 : committed;
    }

    /** The slot it runs in. */
    public KvSlots.Lease lease() {
        return lease;
    }

    /** What it did so far. */
    public Statistics statistics() {
        return new Statistics(
                promptLength,
                lease.reused(),
                length - promptLength,
                acceptLengths,
                draftedTokens,
                Arrays.stream(draftedSteps).boxed().toList(),
                phases);
    }

    Engine.PrefillRequest prefillRequest(Experience experience) {
        int[] prompt = Arrays.copyOf(tokens, promptLength);
        if (adaptive) {
            chooser = Optional.of(new DraftChooser(speculation, prompt, rule, experience));
        }
        wanted = chooser.map(DraftChooser::wanted).orElse(DraftShape.of(speculation.tree()));
        return new Engine.PrefillRequest(
                lease.slot(),
                prompt,
                lease.reused(),
                rule,
                speculation.tree().depth() == 0 ? Optional.empty() : Optional.of(wanted));
    }

    void prefilled(Engine.Prefilled result) {
        committed = promptLength;
        undrafted = wanted.ranks() == 0 ? promptLength : 0;
        next = result.next();
        drafts = result.drafts();
        chooser.ifPresent(chosen -> chosen.begin(next));
    }

    /** A tree filled with the next token and guesses, cut where the context or the guesses end. */
    Engine.TreeQuery propose(int nodes, int contextLength) {
        int room = contextLength - 1 - committed;
        Proposal proposal = chooser.map(chosen -> chosen.choose(drafts, room, nodes))
                .orElseGet(() -> new Proposal(
                        speculation
                                .tree()
                                .withinDepth(Math.min(room, drafts.candidates().length))
                                .first(nodes),
                        drafts.candidates()));
        return new Engine.TreeQuery(lease.slot(), committed, proposal.tokens(next), proposal.tree(), rule);
    }

    /** Emits the tokens of an accepted path until something ends the sequence. */
    void emit(Engine.TreeQuery query, int[] path, int contextLength) {
        acceptLengths.add(path.length - 1);
        draftedTokens += query.tree().nodes() - 1;
        draftedSteps = Arrays.copyOf(
                draftedSteps, Math.max(draftedSteps.length, query.tree().depth()));
        for (int depth = 0; depth < query.tree().depth(); depth++) {
            draftedSteps[depth]++;
        }
        for (int node : path) {
            emit(query.tokens()[node], node == 0 ? Origin.BASE : Origin.DRAFT, contextLength);
            if (finish.isPresent()) {
                return;
            }
        }
        if (acceptLengths.size() >= stops.maxSteps()) {
            finish(FinishReason.LENGTH);
        }
    }

    private void emit(int token, Origin origin, int contextLength) {
        if (length == tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(64, 2 * length));
        }
        tokens[length++] = token;
        if (stops.endTokens().contains(token) || sink.accept(token, origin) == Demand.STOP) {
            finish(FinishReason.STOP);
        } else if (length - promptLength >= stops.maxTokens() || length >= contextLength) {
            finish(FinishReason.LENGTH);
        }
    }

    /** What to commit of a step, and to draft for the next. */
    Engine.Acceptance acceptance(Engine.TreeQuery query, int[] path, Verdict verdict) {
        next = verdict.next()[path[path.length - 1]];
        chooser.ifPresent(chosen -> wanted = chosen.wanted(path, query.tokens(), next));
        return new Engine.Acceptance(lease.slot(), path, next, wanted);
    }

    /** How many heads the last commit asked. */
    int draftedHeads() {
        return wanted.heads();
    }

    /** Whether the next commit's drafting is of the usual length, nothing to catch up on. */
    boolean draftsAreUpToDate() {
        return undrafted == 0;
    }

    void committed(int[] path, Drafts proposed) {
        committed += path.length;
        undrafted = wanted.ranks() == 0 ? undrafted + path.length : 0;
        drafts = proposed;
    }

    /** Whether the model chose a token to go on with. A guess that was not accepted may have had none. */
    boolean canGoOn() {
        return next != Verdict.NONE;
    }

    /** Ends it, and it alone, where the model chose nothing. */
    void fail() {
        failure = Optional.of(new NotFiniteException());
        finish(FinishReason.CANCELLED);
    }

    void finish(FinishReason reason) {
        finish = Optional.of(reason);
    }

    boolean cancelled() {
        return cancelled;
    }

    void spent(Phases more) {
        phases = phases.plus(more);
    }
}
