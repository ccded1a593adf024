package dev.hydrallm.decoding;

import dev.hydrallm.decoding.Engine.Acceptance;
import dev.hydrallm.decoding.Engine.TreeQuery;
import dev.hydrallm.decoding.Statistics.Phases;
import java.util.ArrayList;
import java.util.List;

/**
 * Speculative decoding with draft heads (Medusa, Cai et al. 2024) and the text's own past: each step proposes a tree of next
 * tokens, verifies it with one forward pass of the base model, accepts a path and commits it. With a tree of the root alone the
 * same loop is plain decoding. The output of {@link AcceptanceRule.Greedy} and {@link AcceptanceRule.Sampled} is the base model's own.
 *
 * <p>Not thread-safe: runs on the thread that owns the engine.
 */
public final class SpeculativeDecoder {
    private final Engine engine;
    private final EngineLimits limits;
    private final int nodeBudget;
    private final Experience experience = new Experience();

    /** What a commit did for the next step. */
    private enum Drafted {
        NOTHING,
        /** The draft layers read rows of former steps, too. */
        LATE,
        AS_USUAL
    }

    /**
     * A decoder of an engine.
     *
     * @param nodeBudget nodes that one step may verify in all; running sequences share them, so speculation fades out
     *     under load by itself
     */
    public SpeculativeDecoder(Engine engine, int nodeBudget) {
        this.engine = engine;
        this.limits = engine.limits();
        this.nodeBudget = Math.min(nodeBudget, limits.maxNodes());
    }

    /** Reads the prompt of a sequence that has a slot. */
    public void prefill(Sequence sequence) {
        long start = System.nanoTime();
        sequence.prefilled(engine.prefill(sequence.prefillRequest(experience)));
        sequence.spent(new Phases(System.nanoTime() - start, 0, 0, 0, 0));
    }

    /**
     * One step of every running sequence; some of them may be finished by it.
     *
     * @param sequences prefilled; the finished ones among them are left as they are
     * @throws DeviceMemoryException if the device has not enough memory for all of them; each is as it was before the step
     */
    public void step(List<Sequence> sequences) {
        List<Sequence> running =
                sequences.stream().filter(SpeculativeDecoder::stillRunning).toList();
        if (running.isEmpty()) {
            return;
        }
        long t0 = System.nanoTime();
        List<TreeQuery> proposed = propose(running);
        long t1 = System.nanoTime();
        List<Verdict> verdicts = engine.verify(proposed);
        long t2 = System.nanoTime();
        List<int[]> accepted = accept(running, proposed, verdicts);
        long t3 = System.nanoTime();
        Drafted drafted = commit(running, proposed, accepted, verdicts);
        long t4 = System.nanoTime();
        if (running.size() == 1) {
            experience.costs().verified(proposed.getFirst().tree().nodes(), t2 - t1);
            switch (drafted) {
                case NOTHING -> {}
                case LATE -> experience.costs().draftedLate();
                case AS_USUAL -> experience.costs().drafted(running.getFirst().draftedHeads(), t4 - t3);
            }
        } else {
            experience.costs().shared();
        }
        // The step is one pass for all of them: each bears an equal part.
        int share = running.size();
        Phases spent = new Phases(0, (t1 - t0) / share, (t2 - t1) / share, (t3 - t2) / share, (t4 - t3) / share);
        running.forEach(sequence -> sequence.spent(spent));
    }

    private static boolean stillRunning(Sequence sequence) {
        if (sequence.finished().isEmpty()) {
            if (sequence.cancelled()) {
                sequence.finish(FinishReason.CANCELLED);
            } else if (!sequence.canGoOn()) {
                sequence.fail();
            }
        }
        return sequence.finished().isEmpty();
    }

    private List<TreeQuery> propose(List<Sequence> running) {
        int nodes = Math.max(1, nodeBudget / running.size());
        return running.stream()
                .map(sequence -> sequence.propose(nodes, limits.contextLength()))
                .toList();
    }

    private List<int[]> accept(List<Sequence> running, List<TreeQuery> proposed, List<Verdict> verdicts) {
        List<int[]> paths = new ArrayList<>(running.size());
        for (int i = 0; i < running.size(); i++) {
            TreeQuery query = proposed.get(i);
            int[] path = query.rule().accept(query.tree(), query.tokens(), verdicts.get(i));
            running.get(i).emit(query, path, limits.contextLength());
            paths.add(path);
        }
        return paths;
    }

    /** Tokens were emitted by now: what fails here cannot be done again. */
    private List<Drafts> engineCommit(List<Acceptance> acceptances) {
        try {
            return engine.commit(acceptances);
        } catch (DeviceMemoryException e) {
            throw new IllegalStateException(e.getMessage(), e);
        }
    }

    /** A finished sequence's last step is not committed: its rows stay as they were for whoever reuses the slot. */
    private Drafted commit(
            List<Sequence> running, List<TreeQuery> proposed, List<int[]> accepted, List<Verdict> verdicts) {
        List<Integer> going = new ArrayList<>(running.size());
        List<Acceptance> acceptances = new ArrayList<>(running.size());
        Drafted drafted = Drafted.NOTHING;
        for (int i = 0; i < running.size(); i++) {
            Sequence sequence = running.get(i);
            if (sequence.finished().isEmpty()) {
                going.add(i);
                Acceptance acceptance = sequence.acceptance(proposed.get(i), accepted.get(i), verdicts.get(i));
                acceptances.add(acceptance);
                if (acceptance.wanted().ranks() > 0) {
                    drafted = sequence.draftsAreUpToDate() ? Drafted.AS_USUAL : Drafted.LATE;
                }
            }
        }
        if (going.isEmpty()) {
            return drafted;
        }
        List<Drafts> drafts = engineCommit(acceptances);
        for (int k = 0; k < going.size(); k++) {
            int i = going.get(k);
            running.get(i).committed(accepted.get(i), drafts.get(k));
        }
        return drafted;
    }
}
