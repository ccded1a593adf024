package dev.hydrallm.engine;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import java.util.List;

/** How a token is chosen after each row: sequence by sequence. */
public record Selection(List<Part> parts) {
    /** Nothing is chosen. */
    public static final Selection NONE = new Selection(List.of());

    public Selection {
        parts = List.copyOf(parts);
    }

    /** One sequence's rows, which are the nodes of a tree whose root stands at position {@code start}. */
    public record Part(AcceptanceRule rule, DraftTree tree, int start) {
        /** The number in [0, 1) that decides the sampled token after a node; 0 where nothing is sampled. */
        public double uniform(int node) {
            long position = start + tree.depth(node) + 1L;
            return rule instanceof AcceptanceRule.Sampled sampled ? sampled.uniform(position) : 0.0;
        }
    }
}
