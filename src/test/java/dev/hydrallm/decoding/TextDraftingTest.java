package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.TokenSink.Demand;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

/** Texts that go round, on an engine where a forward takes long and a node little. */
class TextDraftingTest {
    private static final DraftTree CHAIN = DraftTree.of(List.of(List.of(0), List.of(0, 0), List.of(0, 0, 0)));
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final TokenSink ALL = (token, origin) -> Demand.MORE;

    @Provide
    Arbitrary<DraftTree> trees() {
        return Trees.upTo(64, 4, 5);
    }

    private static StopRules tokens(int count) {
        return new StopRules(Set.of(), count, StopRules.UNLIMITED);
    }

    @Property(tries = 8)
    void whatTheTextForetellsChangesNoText(@ForAll("trees") DraftTree tree, @ForAll long seed) {
        FakeEngine forgetful = new FakeEngine(1, 1_000, 4, 11, 3, 300_000);
        int[] prompt = {3, (int) (seed & 7), 5};
        for (DraftTree heads : List.of(tree, DraftTree.ROOT_ONLY)) {
            SpeculativeDecoder of = new SpeculativeDecoder(forgetful, 256);
            Sequence sequence = new Sequence(
                    new KvSlots(1).acquire(prompt, heads),
                    prompt,
                    Speculation.adaptive(heads),
                    GREEDY,
                    tokens(900),
                    ALL);
            of.prefill(sequence);
            while (sequence.finished().isEmpty()) {
                of.step(List.of(sequence));
            }
            assertThat(sequence.output()).containsExactly(forgetful.plain(prompt, 900, GREEDY));
            Statistics statistics = sequence.statistics();
            if (heads.depth() == 0) {
                assertThat(statistics.tokensPerStep())
                        .as("of a text that goes round")
                        .isGreaterThan(1.5);
            }
            assertThat(statistics.acceptHistogram().stream()
                            .mapToInt(Integer::intValue)
                            .sum())
                    .isEqualTo(statistics.steps());
        }
    }

    @Test
    void theTextOfSequencesInCompanyIsTheirOwn() {
        FakeEngine forgetful = new FakeEngine(3, 600, 4, 11, 3, 100_000);
        SpeculativeDecoder of = new SpeculativeDecoder(forgetful, 24);
        KvSlots places = new KvSlots(3);
        for (int round = 0; round < 3; round++) { // in the first one nobody knows what steps cost
            List<Sequence> running = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                int[] prompt = {i, i + 1, round};
                DraftTree heads = i == 0 ? DraftTree.ROOT_ONLY : CHAIN;
                running.add(new Sequence(
                        places.acquire(prompt, heads),
                        prompt,
                        Speculation.adaptive(heads),
                        GREEDY,
                        tokens(100 + 150 * i),
                        ALL));
                of.prefill(running.getLast());
            }
            while (running.stream().anyMatch(sequence -> sequence.finished().isEmpty())) {
                of.step(running);
            }
            for (int i = 0; i < 3; i++) {
                Sequence ended = running.get(i);
                assertThat(ended.output())
                        .containsExactly(forgetful.plain(new int[] {i, i + 1, round}, 100 + 150 * i, GREEDY));
                places.release(ended.lease(), ended.committedTokens(), ended.draftRows());
            }
        }
    }
}
