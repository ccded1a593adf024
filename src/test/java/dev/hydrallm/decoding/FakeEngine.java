package dev.hydrallm.decoding;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * An engine without a device: a "model" whose next token is a function of every token it can see through its KV rows,
 * so that a row kept, moved or masked wrongly changes the text. Its heads guess right most of the time.
 */
public final class FakeEngine implements Engine {
    private int spoiled = Verdict.NONE;
    private final EngineLimits limits;
    /** How many of the last tokens the next one depends on: after few a text soon repeats itself. */
    private final int memory;
    /** What a forward takes, however many nodes it has; the model itself takes as long for each. */
    private final long nanosOfAForward;

    private final int[][] rows;
    private List<TreeQuery> verified = List.of();
    /** Of each slot: rows that the draft layers have read or can still read, the first ones. */
    private final int[] draftable;

    private final boolean[] plain;

    int prefilledTokens;
    int committedSteps;

    public FakeEngine(int slots, int context, int heads, int vocabulary) {
        this(slots, context, heads, vocabulary, Integer.MAX_VALUE, 0);
    }

    FakeEngine(int slots, int context, int heads, int vocabulary, int memory, long nanosOfAForward) {
        this.memory = memory;
        this.nanosOfAForward = nanosOfAForward;
        limits = new EngineLimits(slots, context, 256, heads, vocabulary);
        rows = new int[slots][context + 256];
        draftable = new int[slots];
        plain = new boolean[slots];
    }

    /** The model: a distribution over the vocabulary after these tokens. */
    double[] distribution(int[] seen) {
        int[] remembered = Arrays.copyOfRange(seen, Math.max(0, seen.length - memory), seen.length);
        Random random = new Random(Arrays.hashCode(remembered));
        double[] p = new double[limits.vocabularySize()];
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            p[i] = random.nextDouble();
            sum += p[i];
        }
        for (int i = 0; i < p.length; i++) {
            p[i] /= sum;
        }
        return p;
    }

    /** What plain decoding gives. */
    public int[] plain(int[] prompt, int count, AcceptanceRule rule) {
        int[] tokens = prompt.clone();
        for (int i = 0; i < count; i++) {
            int next = choose(tokens, rule);
            tokens = Arrays.copyOf(tokens, tokens.length + 1);
            tokens[tokens.length - 1] = next;
        }
        return Arrays.copyOfRange(tokens, prompt.length, tokens.length);
    }

    private int choose(int[] seen, AcceptanceRule rule) {
        double[] p = distribution(seen);
        if (rule instanceof AcceptanceRule.Sampled sampled) {
            double rest = sampled.uniform(seen.length);
            for (int token = 0; token < p.length; token++) {
                rest -= p[token];
                if (rest < 0) {
                    return token;
                }
            }
            return p.length - 1;
        }
        int best = 0;
        for (int token = 1; token < p.length; token++) {
            best = p[token] > p[best] ? token : best;
        }
        return best;
    }

    private Drafts draft(int[] committed, int next, int ranks, AcceptanceRule rule) {
        int[][] candidates = new int[limits.draftHeads()][ranks];
        float[][] probabilities = new float[limits.draftHeads()][ranks];
        int[] seen = append(committed, next);
        for (int head = 0; head < candidates.length; head++) {
            int guess = choose(seen, rule);
            int place = new Random(Arrays.hashCode(seen) + 1L).nextInt(ranks + 1);
            for (int rank = 0; rank < ranks; rank++) {
                candidates[head][rank] = (guess + rank + ranks - place) % limits.vocabularySize();
                probabilities[head][rank] = 1f / (ranks + 1);
            }
            seen = append(seen, guess);
        }
        return new Drafts(candidates, probabilities);
    }

    private static int[] append(int[] tokens, int token) {
        int[] longer = Arrays.copyOf(tokens, tokens.length + 1);
        longer[tokens.length] = token;
        return longer;
    }

    @Override
    public EngineLimits limits() {
        return limits;
    }

    @Override
    public Prefilled prefill(PrefillRequest request) {
        int[] tokens = request.tokens();
        plain[request.slot()] = request.wanted().isEmpty();
        if (plain[request.slot()]) {
            draftable[request.slot()] = Math.min(draftable[request.slot()], request.from());
        } else {
            if (draftable[request.slot()] < request.from()) {
                throw new IllegalStateException("the draft layers cannot read more than " + draftable[request.slot()]
                        + " rows of " + request.from() + " kept ones");
            }
            draftable[request.slot()] = tokens.length;
        }
        prefilledTokens += tokens.length - request.from();
        System.arraycopy(tokens, request.from(), rows[request.slot()], request.from(), tokens.length - request.from());
        int[] seen = Arrays.copyOf(rows[request.slot()], tokens.length);
        int next = choose(seen, request.rule());
        return new Prefilled(
                next,
                request.wanted()
                        .filter(wanted -> wanted.ranks() > 0)
                        .map(wanted -> draft(seen, next, wanted.ranks(), request.rule()))
                        .orElse(Drafts.NONE));
    }

    /** From now on no token is chosen after this one. */
    void choosesNothingAfter(int token) {
        spoiled = token;
    }

    @Override
    public List<Verdict> verify(List<TreeQuery> batch) {
        for (long end = System.nanoTime() + nanosOfAForward; System.nanoTime() < end; ) {
            Thread.onSpinWait();
        }
        verified = batch;
        List<Verdict> verdicts = new ArrayList<>();
        for (TreeQuery query : batch) {
            System.arraycopy(query.tokens(), 0, rows[query.slot()], query.start(), query.tokens().length);
            int[] next = new int[query.tree().nodes()];
            for (int node = 0; node < next.length; node++) {
                next[node] = query.tokens()[node] == spoiled ? Verdict.NONE : choose(seenBy(query, node), query.rule());
            }
            verdicts.add(new Verdict(next, new float[next.length]));
        }
        return verdicts;
    }

    private int[] seenBy(TreeQuery query, int node) {
        int[] seen = Arrays.copyOf(rows[query.slot()], query.start());
        for (int other = 0; other <= node; other++) {
            if (query.tree().sees(node, other)) {
                seen = append(seen, rows[query.slot()][query.start() + other]);
            }
        }
        return seen;
    }

    @Override
    public List<Drafts> commit(List<Acceptance> acceptances) {
        committedSteps++;
        List<Drafts> drafts = new ArrayList<>();
        for (Acceptance acceptance : acceptances) {
            TreeQuery query = verified.stream()
                    .filter(each -> each.slot() == acceptance.slot())
                    .findFirst()
                    .orElseThrow();
            int[] slot = rows[query.slot()];
            int[] path = acceptance.path();
            int next = choose(seenBy(query, path[path.length - 1]), query.rule());
            for (int i = 0; i < path.length; i++) {
                slot[query.start() + i] = slot[query.start() + path[i]];
            }
            int[] committed = Arrays.copyOf(slot, query.start() + path.length);
            if (!plain[query.slot()]) {
                draftable[query.slot()] = committed.length;
            }
            drafts.add(
                    acceptance.wanted().ranks() == 0
                            ? Drafts.NONE
                            : draft(committed, next, acceptance.wanted().ranks(), query.rule()));
        }
        return drafts;
    }

    int[] rows(int slot, int count) {
        return Arrays.copyOf(rows[slot], count);
    }

    @Override
    public long busyNanos() {
        return 0;
    }

    @Override
    public void close() {}
}
