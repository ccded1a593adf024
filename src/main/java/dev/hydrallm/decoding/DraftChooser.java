package dev.hydrallm.decoding;

import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Chooses for each step of one sequence what to draft: the tokens that the text's own past foretells, which cost nothing to draft, where
 * they are likely enough to pay; else what pays of the heads' guesses.
 */
final class DraftChooser {
    /** Most tokens that are drafted of the text. */
    private static final int MOST_FORETOLD = 16;

    /** By their number of drafted tokens: trees of one path. */
    private static final DraftTree[] CHAINS = IntStream.rangeClosed(0, MOST_FORETOLD)
            .mapToObj(length -> DraftTree.of(IntStream.rangeClosed(1, length)
                    .mapToObj(depth ->
                            IntStream.range(0, depth).mapToObj(ignored -> 0).toList())
                    .toList()))
            .toArray(DraftTree[]::new);

    private final TreeChooser heads;
    private final Optional<TextLookup> text;
    private final RepetitionRates rates;
    private final StepCosts costs;

    /** How many tokens of the text the next step drafts; 0: it drafts what the heads guess. */
    private int foretold;

    DraftChooser(Speculation speculation, int[] prompt, AcceptanceRule rule, Experience experience) {
        heads = new TreeChooser(speculation.tree(), rule, experience);
        rates = experience.of(speculation.tree(), rule).repetition;
        costs = experience.costs();
        text = speculation.extent() == Speculation.Extent.ADAPTIVE ? Optional.of(new TextLookup()) : Optional.empty();
        text.ifPresent(lookup -> Arrays.stream(prompt).forEach(lookup::add));
    }

    /** What to ask of the heads for the first step. */
    DraftShape wanted() {
        return heads.wanted();
    }

    /** Goes on behind the prompt with the base's own token, or {@link Verdict#NONE}. */
    void begin(int next) {
        text.ifPresent(lookup -> read(lookup, next));
    }

    /**
     * What to ask of the heads for the next step.
     *
     * @param path the accepted nodes of the last one
     * @param tokens of its nodes
     * @param next the base's own token behind them, or {@link Verdict#NONE}
     */
    DraftShape wanted(int[] path, int[] tokens, int next) {
        if (foretold == 0) {
            heads.observe(path);
        }
        text.ifPresent(lookup -> {
            for (int i = 1; i < path.length; i++) {
                read(lookup, tokens[path[i]]);
            }
            read(lookup, next);
        });
        foretold = heads.knowsCosts() ? text.map(this::paying).orElse(0) : 0;
        return foretold > 0 ? DraftShape.NONE : heads.wanted();
    }

    private void read(TextLookup lookup, int token) {
        if (token == Verdict.NONE) {
            return;
        }
        if (lookup.matched() > 0) {
            rates.observe(lookup.matched(), lookup.foretells(token));
        }
        lookup.add(token);
    }

    /** How many of the foretold tokens pay: those that bring more tokens than their step's time brings otherwise. */
    private int paying(TextLookup lookup) {
        if (lookup.matched() == 0) {
            return 0;
        }
        double speed = heads.speed();
        double likely = 1;
        double tokens = 1;
        int best = 0;
        double mostGain = 0;
        for (int count = 1; count <= MOST_FORETOLD; count++) {
            likely *= rates.rate(lookup.matched() + count - 1);
            tokens += likely;
            double gain = tokens - speed * costs.undrafted(1 + count);
            if (gain > mostGain) {
                best = count;
                mostGain = gain;
            }
        }
        return best;
    }

    /**
     * What to draft.
     *
     * @param drafts the heads' guesses
     * @param room how deep the context lets it be
     * @param most nodes, the root included
     */
    Proposal choose(Drafts drafts, int room, int most) {
        if (foretold == 0) {
            return new Proposal(heads.choose(drafts, room, most), drafts.candidates());
        }
        int count = Math.min(foretold, Math.min(room, most - 1));
        int[] next = text.orElseThrow().next(count);
        return new Proposal(
                CHAINS[count],
                Arrays.stream(next).mapToObj(token -> new int[] {token}).toArray(int[][]::new));
    }
}
