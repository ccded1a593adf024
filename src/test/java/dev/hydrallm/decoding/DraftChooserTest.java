package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** On a machine where a node costs a tenth of a plain step, and drafting half of one. */
class DraftChooserTest {
    private static final DraftTree TREE = DraftTree.of(List.of(List.of(0), List.of(0, 0)));
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final int[] PROMPT = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    private static final int ALL = 1_000;

    private final Experience experience = new Experience();
    private final StepCosts costs = experience.costs();

    @BeforeEach
    void measure() {
        for (int i = 0; i < 8; i++) {
            costs.verified(1, 1_000);
        }
        for (int i = 0; i < 12; i++) {
            costs.drafted(2, 500);
            costs.verified(1 + i % 3, 1_000 + 100 * (i % 3));
        }
    }

    private DraftChooser chooser(DraftTree tree, Speculation.Extent extent) {
        DraftChooser chooser = new DraftChooser(new Speculation(tree, extent), PROMPT, GREEDY, experience);
        chooser.wanted();
        chooser.choose(Drafts.NONE, ALL, ALL);
        return chooser;
    }

    /** A step that accepted nothing but its root. */
    private static DraftShape next(DraftChooser chooser, int token) {
        return chooser.wanted(new int[] {0}, new int[] {0}, token);
    }

    private static Proposal propose(DraftChooser chooser) {
        return chooser.choose(Drafts.NONE, ALL, ALL);
    }

    @Test
    void aTextThatGoesRoundDraftsItselfAndAsksNoHead() {
        DraftChooser chooser = chooser(TREE, Speculation.Extent.ADAPTIVE);
        DraftShape wanted = DraftShape.of(TREE);
        for (int i = 0; i < 60; i++) {
            wanted = next(chooser, PROMPT[i % PROMPT.length]);
            if (wanted.ranks() == 0) {
                Proposal proposal = propose(chooser);
                assertThat(proposal.tokens(99)).startsWith(99, PROMPT[(i + 1) % PROMPT.length]);
            }
        }
        assertThat(wanted).isEqualTo(DraftShape.NONE);
        assertThat(propose(chooser).tree().depth())
                .as("the longer it went round the surer")
                .isGreaterThan(8);
        assertThat(propose(chooser).tokens(10)).startsWith(10, 1, 2, 3, 4, 5, 6);
    }

    @Test
    void acceptedTokensAreReadWithTheBasesOwn() {
        DraftChooser chooser = chooser(TREE, Speculation.Extent.ADAPTIVE);
        for (int i = 0; i < 30; i++) {
            next(chooser, PROMPT[i % PROMPT.length]);
        }
        Proposal proposal = propose(chooser);
        assertThat(proposal.tokens(10)).startsWith(10, 1, 2, 3);
        chooser.wanted(new int[] {0, 1, 2}, proposal.tokens(10), 3);
        assertThat(propose(chooser).tokens(3)).startsWith(3, 4, 5, 6);
    }

    @Test
    void itIsFoundOutWhereAPastForetellsNothing() {
        DraftChooser chooser = chooser(TREE, Speculation.Extent.ADAPTIVE);
        Random random = new Random(4);
        int drafted = 0;
        for (int i = 0; i < 4_000; i++) {
            // Soon any two of them stood before, but what followed is seldom right.
            DraftShape wanted = next(chooser, random.nextInt(30));
            drafted +=
                    i >= 2_000 && wanted.ranks() == 0 && propose(chooser).tree().depth() > 0 ? 1 : 0;
        }
        assertThat(drafted).as("of 2,000 steps").isLessThan(100);
    }

    @Test
    void theFirstTokenBehindThePromptIsRead() {
        DraftChooser chooser = chooser(DraftTree.ROOT_ONLY, Speculation.Extent.ADAPTIVE);
        chooser.begin(1);
        for (int i = 1; i < 40; i++) {
            next(chooser, PROMPT[i % PROMPT.length]);
        }
        assertThat(propose(chooser).tree().depth())
                .as("it went round from the start")
                .isEqualTo(16);
        chooser.wanted(new int[] {0}, new int[] {10}, Verdict.NONE);
        assertThat(propose(chooser).tokens(Verdict.NONE))
                .as("a step that will not be")
                .startsWith(Verdict.NONE, 1, 2);
    }

    @Test
    void theHeadsAloneAreAskedIfToldSo() {
        DraftChooser chooser = chooser(TREE, Speculation.Extent.HEADS);
        for (int i = 0; i < 60; i++) {
            assertThat(next(chooser, PROMPT[i % PROMPT.length]).heads()).isPositive();
            chooser.choose(Drafts.NONE, ALL, ALL);
        }
    }

    @Test
    void noHeadsAreNeeded() {
        DraftChooser chooser = chooser(DraftTree.ROOT_ONLY, Speculation.Extent.ADAPTIVE);
        for (int i = 0; i < 60; i++) {
            assertThat(next(chooser, PROMPT[i % PROMPT.length]).ranks()).isZero();
        }
        assertThat(propose(chooser).tree().depth()).isGreaterThan(8);
    }

    @Test
    void theContextsEndAndTheBudgetCutIt() {
        DraftChooser chooser = chooser(TREE, Speculation.Extent.ADAPTIVE);
        for (int i = 0; i < 60; i++) {
            next(chooser, PROMPT[i % PROMPT.length]);
        }
        assertThat(chooser.choose(Drafts.NONE, 2, ALL).tokens(10)).containsExactly(10, 1, 2);
        assertThat(chooser.choose(Drafts.NONE, ALL, 4).tokens(10)).containsExactly(10, 1, 2, 3);
        assertThat(chooser.choose(Drafts.NONE, 0, ALL).tree()).isEqualTo(DraftTree.ROOT_ONLY);
        assertThat(chooser.choose(Drafts.NONE, ALL, 1).tree()).isEqualTo(DraftTree.ROOT_ONLY);
    }

    @Test
    void nothingIsDraftedBeforeStepsWereMeasured() {
        Experience none = new Experience();
        DraftChooser chooser = new DraftChooser(Speculation.adaptive(DraftTree.ROOT_ONLY), PROMPT, GREEDY, none);
        for (int i = 0; i < 60; i++) {
            next(chooser, PROMPT[i % PROMPT.length]);
            assertThat(propose(chooser).tree()).isEqualTo(DraftTree.ROOT_ONLY);
        }
    }
}
