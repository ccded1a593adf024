package dev.hydrallm.decoding;

import java.util.LinkedHashMap;
import java.util.Map;

/** What a decoder has learned of its engine and its texts, so that a new sequence need not start from nothing. */
final class Experience {
    private static final int MOST_KINDS = 64;

    private final StepCosts costs = new StepCosts();
    private final Map<Kind, Usual> usual = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Kind, Usual> eldest) {
            return size() > MOST_KINDS;
        }
    };

    /** Texts whose drafts pass alike: of one tree, and about as hot. */
    private record Kind(DraftTree tree, long tenthsOfTemperature) {
        static Kind of(DraftTree tree, AcceptanceRule rule) {
            return new Kind(tree, rule instanceof AcceptanceRule.Sampled hot ? Math.round(10 * hot.temperature()) : 0);
        }
    }

    /** What steps cost. */
    StepCosts costs() {
        return costs;
    }

    /** What texts of this tree and rule are usually like. */
    Usual of(DraftTree tree, AcceptanceRule rule) {
        return usual.computeIfAbsent(Kind.of(tree, rule), ignored -> new Usual(tree));
    }

    /** What all sequences of a kind learn together. */
    static final class Usual {
        final AcceptanceRates rates;
        /** Steps from one trial of a larger tree to the next. */
        int trialInterval = TreeSizer.SOONEST_TRIAL;

        Usual(DraftTree tree) {
            rates = AcceptanceRates.assumed(tree.paths());
        }
    }
}
