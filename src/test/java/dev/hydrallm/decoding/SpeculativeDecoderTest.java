package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.hydrallm.decoding.TokenSink.Demand;
import dev.hydrallm.decoding.TokenSink.Origin;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class SpeculativeDecoderTest {
    private static final DraftTree CHAIN = DraftTree.of(List.of(List.of(0), List.of(0, 0), List.of(0, 0, 0)));
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final TokenSink ALL = (token, origin) -> Demand.MORE;

    private final FakeEngine engine = new FakeEngine(4, 200, 4, 11);
    private final KvSlots slots = new KvSlots(4);
    private final SpeculativeDecoder decoder = new SpeculativeDecoder(engine, 256);

    @Provide
    Arbitrary<DraftTree> trees() {
        return Trees.upTo(64, 4, 5);
    }

    private Sequence start(int[] prompt, DraftTree tree, AcceptanceRule rule, StopRules stops, TokenSink sink) {
        return start(prompt, Speculation.whole(tree), rule, stops, sink);
    }

    private Sequence start(
            int[] prompt, Speculation speculation, AcceptanceRule rule, StopRules stops, TokenSink sink) {
        Sequence sequence =
                new Sequence(slots.acquire(prompt, speculation.tree()), prompt, speculation, rule, stops, sink);
        decoder.prefill(sequence);
        return sequence;
    }

    private Sequence run(int[] prompt, DraftTree tree, AcceptanceRule rule, StopRules stops, TokenSink sink) {
        return run(prompt, Speculation.whole(tree), rule, stops, sink);
    }

    private Sequence run(int[] prompt, Speculation speculation, AcceptanceRule rule, StopRules stops, TokenSink sink) {
        Sequence sequence = start(prompt, speculation, rule, stops, sink);
        while (sequence.finished().isEmpty()) {
            decoder.step(List.of(sequence));
        }
        slots.release(sequence.lease(), sequence.committedTokens(), sequence.draftRows());
        return sequence;
    }

    private static StopRules tokens(int count) {
        return new StopRules(Set.of(), count, StopRules.UNLIMITED);
    }

    @Property(tries = 200)
    void anyTreeGivesTheTextOfPlainDecoding(
            @ForAll("trees") DraftTree tree, @ForAll @IntRange(min = 1, max = 60) int count, @ForAll long seed) {
        int[] prompt = {3, (int) (seed & 7), 5};
        AcceptanceRule sampled = new AcceptanceRule.Sampled(1, 0, 1, 0, seed);
        assertThat(run(prompt, tree, GREEDY, tokens(count), ALL).output())
                .containsExactly(engine.plain(prompt, count, GREEDY));
        assertThat(run(prompt, tree, sampled, tokens(count), ALL).output())
                .containsExactly(engine.plain(prompt, count, sampled));
    }

    @Property(tries = 100)
    void howMuchOfATreeIsDraftedChangesNoText(@ForAll("trees") DraftTree tree, @ForAll long seed) {
        int[] prompt = {3, (int) (seed & 7), 5};
        AcceptanceRule sampled = new AcceptanceRule.Sampled(1, 0, 1, 0, seed);
        Sequence first = run(prompt, Speculation.adaptive(tree), sampled, tokens(70), ALL);
        assertThat(first.output()).containsExactly(engine.plain(prompt, 70, sampled));
        // The next turn builds on rows that the draft layers may not have read.
        int[] turn = Arrays.copyOf(first.committedTokens(), first.committedTokens().length + 1);
        Sequence second = run(turn, Speculation.adaptive(tree), GREEDY, tokens(50), ALL);
        assertThat(second.output()).containsExactly(engine.plain(turn, 50, GREEDY));
        assertThat(second.statistics().reusedTokens())
                .as("nothing is read again")
                .isEqualTo(first.committedTokens().length);
    }

    @Test
    void aLimitOfStepsIsTheSameLimitEveryTime() {
        StopRules steps = new StopRules(Set.of(), StopRules.UNLIMITED, 10);
        int[] lengths = new int[30];
        Arrays.setAll(
                lengths,
                i -> run(new int[] {4}, Speculation.adaptive(CHAIN), GREEDY, steps, ALL)
                        .output()
                        .length);
        assertThat(lengths).containsOnly(lengths[0]);
    }

    @Test
    void aRuleWhoseTextDependsOnTheTreeIsGivenAllOfIt() {
        AcceptanceRule typical = new AcceptanceRule.Typical(0.7, 0.09, 0.3);
        Sequence sequence = run(new int[] {4}, Speculation.adaptive(CHAIN), typical, tokens(60), ALL);
        Statistics statistics = sequence.statistics();
        assertThat(statistics.draftedTokens()).isEqualTo(statistics.steps() * 3);
    }

    @Property(tries = 100)
    void committedRowsHoldTheAcceptedTokens(@ForAll("trees") DraftTree tree, @ForAll long seed) {
        int[] prompt = {1, (int) (seed & 7)};
        Sequence sequence = start(prompt, tree, GREEDY, tokens(40), ALL);
        while (sequence.finished().isEmpty()) {
            decoder.step(List.of(sequence));
            int[] committed = sequence.committedTokens();
            assertThat(engine.rows(sequence.lease().slot(), committed.length)).containsExactly(committed);
        }
        slots.release(sequence.lease(), sequence.committedTokens(), sequence.draftRows());
    }

    @Test
    void severalSequencesDoNotTouchEachOther() {
        List<Sequence> running = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            running.add(start(new int[] {i, i + 1}, CHAIN, GREEDY, tokens(10 + 7 * i), ALL));
        }
        while (running.stream().anyMatch(sequence -> sequence.finished().isEmpty())) {
            decoder.step(running);
        }
        for (int i = 0; i < 4; i++) {
            assertThat(running.get(i).output()).containsExactly(engine.plain(new int[] {i, i + 1}, 10 + 7 * i, GREEDY));
        }
    }

    /** A guess after which nothing is chosen matters to nobody; an accepted token does, and to its sequence alone. */
    @Test
    void whereTheModelChoosesNothingOneSequenceFails() {
        int[] healthy = engine.plain(new int[] {1, 2}, 40, GREEDY);
        int[] broken = engine.plain(new int[] {3, 4}, 40, GREEDY);
        int token = Arrays.stream(broken)
                .filter(each -> Arrays.stream(healthy).noneMatch(other -> other == each))
                .findFirst()
                .orElseThrow();
        engine.choosesNothingAfter(token);
        Sequence good = start(new int[] {1, 2}, CHAIN, GREEDY, tokens(40), ALL);
        Sequence bad = start(new int[] {3, 4}, CHAIN, GREEDY, tokens(40), ALL);
        while (good.finished().isEmpty() || bad.finished().isEmpty()) {
            decoder.step(List.of(good, bad));
        }
        assertThat(good.failure()).isEmpty();
        assertThat(good.output()).containsExactly(healthy);
        assertThat(bad.failure()).isPresent();
        assertThat(bad.output()).endsWith(token).hasSizeLessThan(40);
    }

    @Test
    void theNodeBudgetIsSharedByAllThatRun() {
        SpeculativeDecoder tight = new SpeculativeDecoder(engine, 4);
        Sequence a = start(new int[] {1}, CHAIN, GREEDY, tokens(30), ALL);
        Sequence b = start(new int[] {2}, CHAIN, GREEDY, tokens(30), ALL);
        while (a.finished().isEmpty() || b.finished().isEmpty()) {
            tight.step(List.of(a, b));
        }
        assertThat(a.output()).containsExactly(engine.plain(new int[] {1}, 30, GREEDY));
        assertThat(a.statistics().acceptLengths().getFirst()).isLessThanOrEqualTo(1);
    }

    @Test
    void anEndTokenEndsTheOutputEvenAmongAcceptedDrafts() {
        int[] prompt = {2, 9};
        int[] plain = engine.plain(prompt, 80, GREEDY);
        for (int end = 0; end < 11; end++) {
            int at = firstIndex(plain, end);
            if (at < 0) {
                continue;
            }
            List<Integer> shown = new ArrayList<>();
            Sequence sequence =
                    run(prompt, CHAIN, GREEDY, new StopRules(Set.of(end), 80, StopRules.UNLIMITED), (token, origin) -> {
                        shown.add(token);
                        return Demand.MORE;
                    });
            assertThat(sequence.output()).containsExactly(Arrays.copyOf(plain, at + 1));
            assertThat(shown).hasSize(at);
            assertThat(sequence.finished()).contains(FinishReason.STOP);
            int emitted = sequence.statistics().acceptedDrafts()
                    + sequence.statistics().steps();
            assertThat(emitted).isGreaterThanOrEqualTo(at + 1);
        }
    }

    private static int firstIndex(int[] values, int value) {
        for (int i = 0; i < values.length; i++) {
            if (values[i] == value) {
                return i;
            }
        }
        return -1;
    }

    @Test
    void aSinkThatHasEnoughEndsTheSequenceWithItsToken() {
        List<Integer> taken = new ArrayList<>();
        Sequence sequence = run(new int[] {4}, CHAIN, GREEDY, tokens(50), (token, origin) -> {
            taken.add(token);
            return taken.size() == 6 ? Demand.STOP : Demand.MORE;
        });
        assertThat(sequence.output()).hasSize(6);
        assertThat(sequence.finished()).contains(FinishReason.STOP);
    }

    @Test
    void stepsAreCountedWholeAndEndTheSequence() {
        Sequence sequence = run(new int[] {4}, CHAIN, GREEDY, new StopRules(Set.of(), StopRules.UNLIMITED, 9), ALL);
        Statistics statistics = sequence.statistics();
        assertThat(statistics.steps()).isEqualTo(9);
        assertThat(sequence.output()).hasSize(9 + statistics.acceptedDrafts());
        assertThat(sequence.finished()).contains(FinishReason.LENGTH);
    }

    @Property(tries = 50)
    void theContextIsFilledAndNeverExceeded(@ForAll("trees") DraftTree tree) {
        Sequence sequence =
                run(new int[] {1, 2, 3}, tree, GREEDY, new StopRules(Set.of(), 10_000, StopRules.UNLIMITED), ALL);
        assertThat(sequence.output()).hasSize(197);
        assertThat(sequence.output()).containsExactly(engine.plain(new int[] {1, 2, 3}, 197, GREEDY));
        assertThat(sequence.finished()).contains(FinishReason.LENGTH);
        Statistics statistics = sequence.statistics();
        assertThat(statistics.draftedTokens())
                .isBetween(statistics.acceptedDrafts(), statistics.steps() * (tree.nodes() - 1));
    }

    @Test
    void cancellingEndsItBeforeTheNextStep() {
        Sequence sequence = start(new int[] {1}, CHAIN, GREEDY, tokens(100), ALL);
        decoder.step(List.of(sequence));
        int before = sequence.output().length;
        sequence.cancel();
        decoder.step(List.of(sequence));
        assertThat(sequence.finished()).contains(FinishReason.CANCELLED);
        assertThat(sequence.output()).hasSize(before);
    }

    @Test
    void aSharedPrefixIsNotReadAgain() {
        int[] prompt = {1, 2, 3, 4, 5, 6};
        Sequence first = run(prompt, CHAIN, GREEDY, tokens(20), ALL);
        int[] turn = Arrays.copyOf(first.committedTokens(), first.committedTokens().length + 2);
        int before = engine.prefilledTokens;
        Sequence second = run(turn, CHAIN, GREEDY, tokens(20), ALL);
        assertThat(engine.prefilledTokens - before).isEqualTo(2);
        assertThat(second.statistics().reusedTokens()).isEqualTo(turn.length - 2);
        assertThat(second.output()).containsExactly(engine.plain(turn, 20, GREEDY));
    }

    @Test
    void originsTellDraftsFromTheBaseModelsOwnTokens() {
        List<Origin> origins = new ArrayList<>();
        Sequence sequence = run(new int[] {8}, CHAIN, GREEDY, tokens(64), (token, origin) -> {
            origins.add(origin);
            return Demand.MORE;
        });
        assertThat(origins.stream().filter(Origin.BASE::equals))
                .hasSize(sequence.statistics().steps());
        assertThat(origins).contains(Origin.DRAFT);
    }

    @Test
    void statisticsAddUp() {
        Sequence sequence = run(new int[] {8}, CHAIN, GREEDY, new StopRules(Set.of(), StopRules.UNLIMITED, 30), ALL);
        Statistics statistics = sequence.statistics();
        assertThat(statistics.generatedTokens()).isEqualTo(30 + statistics.acceptedDrafts());
        assertThat(statistics.acceptHistogram().stream().mapToInt(i -> i).sum()).isEqualTo(30);
        assertThat(statistics.acceptedSteps().stream().mapToInt(i -> i).sum()).isEqualTo(statistics.acceptedDrafts());
        assertThat(statistics.draftedSteps()).containsExactly(30, 30, 30);
        assertThat(statistics.draftedTokens()).isEqualTo(30 * 3);
        assertThat(statistics.tokensPerStep() * 30).isCloseTo(30 + statistics.acceptedDrafts(), within(1e-9));
        assertThat(statistics.phases().verify()).isPositive();
    }
}
