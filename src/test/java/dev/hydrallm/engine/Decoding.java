package dev.hydrallm.engine;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.KvSlots;
import dev.hydrallm.decoding.Sequence;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.SpeculativeDecoder;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.decoding.TokenSink.Demand;
import java.util.List;
import java.util.Set;

/** Whole generations on an engine. */
final class Decoding {
    private Decoding() {}

    static StopRules tokens(int count) {
        return new StopRules(Set.of(), count, StopRules.UNLIMITED);
    }

    static StopRules steps(int count) {
        return new StopRules(Set.of(), StopRules.UNLIMITED, count);
    }

    static Sequence sequence(KvSlots slots, int[] prompt, DraftTree tree, AcceptanceRule rule, StopRules stops) {
        return sequence(slots, prompt, Speculation.whole(tree), rule, stops);
    }

    private static Sequence sequence(
            KvSlots slots, int[] prompt, Speculation speculation, AcceptanceRule rule, StopRules stops) {
        KvSlots.Lease lease = slots.acquire(prompt, speculation.tree());
        return new Sequence(lease, prompt, speculation, rule, stops, (token, origin) -> Demand.MORE);
    }

    /** One request alone, in a slot of its own. */
    static Sequence run(Engine engine, int[] prompt, DraftTree tree, AcceptanceRule rule, StopRules stops) {
        return run(engine, new KvSlots(1), prompt, Speculation.whole(tree), rule, stops);
    }

    static Sequence run(
            Engine engine, KvSlots slots, int[] prompt, Speculation speculation, AcceptanceRule rule, StopRules stops) {
        SpeculativeDecoder decoder = new SpeculativeDecoder(engine, Integer.MAX_VALUE);
        Sequence sequence = sequence(slots, prompt, speculation, rule, stops);
        decoder.prefill(sequence);
        while (sequence.finished().isEmpty()) {
            decoder.step(List.of(sequence));
        }
        slots.release(sequence.lease(), sequence.committedTokens(), sequence.draftRows());
        return sequence;
    }
}
