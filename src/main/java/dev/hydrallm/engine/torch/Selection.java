package dev.hydrallm.engine.torch;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import java.util.ArrayList;
import java.util.List;

/** How the program chooses a token after each row: a rule for each sequence, numbers for each row. */
final class Selection {
    /** The program's numbers for the rules. */
    private static final int ARGMAX = 0;

    private static final int SAMPLE = 1;
    private static final int TYPICAL = 2;

    private final List<Integer> rules = new ArrayList<>();
    private final List<Double> settings = new ArrayList<>();
    private final List<Double> uniforms = new ArrayList<>();
    private final List<Integer> parents = new ArrayList<>();

    /** Adds a sequence's rows, which are the nodes of a tree whose root stands at position {@code start}. */
    void add(AcceptanceRule rule, DraftTree tree, int start) {
        addRule(rule);
        for (int node = 0; node < tree.nodes(); node++) {
            long position = start + tree.depth(node) + 1L;
            uniforms.add(rule instanceof AcceptanceRule.Sampled sampled ? sampled.uniform(position) : 0.0);
            parents.add(Math.max(0, tree.parent(node)));
        }
    }

    private void addRule(AcceptanceRule rule) {
        switch (rule) {
            case AcceptanceRule.Greedy() -> add(ARGMAX, 0, 0, 0, 0);
            case AcceptanceRule.Sampled(double temperature, int topK, double topP, double minP, long _) ->
                add(SAMPLE, temperature, topK, topP, minP);
            case AcceptanceRule.Typical(double temperature, double threshold, double alpha) ->
                add(TYPICAL, temperature, threshold, alpha, 0);
        }
    }

    private void add(int rule, double... numbers) {
        rules.add(rule);
        for (double number : numbers) {
            settings.add(number);
        }
    }

    int[] rules() {
        return rules.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Four numbers for each sequence. */
    double[] settings() {
        return settings.stream().mapToDouble(Double::doubleValue).toArray();
    }

    double[] uniforms() {
        return uniforms.stream().mapToDouble(Double::doubleValue).toArray();
    }

    int[] parents() {
        return parents.stream().mapToInt(Integer::intValue).toArray();
    }
}
