package dev.hydrallm.evaluation;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Drafts;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.NotFiniteException;
import dev.hydrallm.decoding.Verdict;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.ObjIntConsumer;

/**
 * A text that the base wrote, and where among the heads' guesses its tokens were. With a rule that keeps the text independent of the draft
 * tree, this is all that decides which nodes of any tree are accepted: what a tree would do can be counted without running it.
 *
 * @param ranks before each token of the text, the path of ranks of the tokens behind it: how many of them in turn were among the guesses
 *     that the heads made there, (tokens, up to heads)
 */
public record RankTrace(List<List<Integer>> ranks) {
    public RankTrace {
        ranks = ranks.stream().map(List::copyOf).toList();
    }

    /**
     * Lets the base write, one token a step, and the heads guess before each; uses slot 0.
     *
     * @param rule lossless
     * @param ends tokens that end the text
     * @param tokens most tokens of the text
     * @param width guesses of each head that are looked at
     */
    public static RankTrace of(
            Engine engine, int[] prompt, AcceptanceRule rule, Set<Integer> ends, int tokens, int width) {
        if (!rule.lossless()) {
            throw new IllegalArgumentException("the text would depend on the tree");
        }
        DraftShape wanted = new DraftShape(engine.limits().draftHeads(), width);
        Engine.Prefilled read = engine.prefill(new Engine.PrefillRequest(0, prompt, 0, rule, Optional.of(wanted)));
        List<Drafts> drafts = new ArrayList<>(List.of(read.drafts()));
        List<Integer> text = new ArrayList<>(List.of(read.next()));
        int most = Math.min(tokens, engine.limits().contextLength() - prompt.length);
        while (text.size() < most && !ends.contains(text.getLast())) {
            int row = prompt.length + text.size() - 1;
            int[] root = {text.getLast()};
            int next = engine.verify(List.of(new Engine.TreeQuery(0, row, root, DraftTree.ROOT_ONLY, rule)))
                    .getFirst()
                    .next()[0];
            if (next == Verdict.NONE) {
                throw new NotFiniteException();
            }
            drafts.add(engine.commit(List.of(new Engine.Acceptance(0, new int[] {0}, next, wanted)))
                    .getFirst());
            text.add(next);
        }
        List<List<Integer>> ranks = new ArrayList<>();
        for (int at = 0; at < text.size(); at++) {
            ranks.add(path(drafts.get(at).candidates(), text.subList(at + 1, text.size())));
        }
        return new RankTrace(ranks);
    }

    private static List<Integer> path(int[][] candidates, List<Integer> coming) {
        List<Integer> path = new ArrayList<>();
        for (int depth = 0; depth < Math.min(candidates.length, coming.size()); depth++) {
            int rank = 0;
            while (rank < candidates[depth].length && candidates[depth][rank] != coming.get(depth)) {
                rank++;
            }
            if (rank == candidates[depth].length) {
                return path;
            }
            path.add(rank);
        }
        return path;
    }

    /** Tokens of the text. */
    public int tokens() {
        return ranks.size();
    }

    /** The steps in which decoding with the whole of a tree would have written the text. */
    public int steps(DraftTree tree) {
        int[] steps = {0};
        walk(new HashSet<>(tree.paths()), (_, _) -> steps[0]++);
        return steps[0];
    }

    /** Visits each step of decoding with a tree of these paths: the path of ranks that comes, and how much of it the tree has. */
    void walk(Set<List<Integer>> tree, ObjIntConsumer<List<Integer>> visitor) {
        for (int at = 0; at < ranks.size(); at++) {
            List<Integer> coming = ranks.get(at);
            int accepted = 0;
            while (accepted < coming.size() && tree.contains(coming.subList(0, accepted + 1))) {
                accepted++;
            }
            visitor.accept(coming, accepted);
            at += accepted;
        }
    }

    /** New tokens ÷ steps of whole texts with the whole of a tree. */
    public static double tokensPerStep(List<RankTrace> traces, DraftTree tree) {
        Set<List<Integer>> paths = new HashSet<>(tree.paths());
        long[] steps = {0};
        traces.forEach(trace -> trace.walk(paths, (_, _) -> steps[0]++));
        return (double) traces.stream().mapToLong(RankTrace::tokens).sum() / steps[0];
    }
}
