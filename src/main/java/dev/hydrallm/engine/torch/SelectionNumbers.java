package dev.hydrallm.engine.torch;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.engine.Selection;
import java.util.ArrayList;
import java.util.List;

/** How a token is chosen after each row, as the program takes it: a rule for each sequence, numbers for each row. */
final class SelectionNumbers {
    /** The program's numbers for the rules. */
    private static final int ARGMAX = 0;

    private static final int SAMPLE = 1;
    private static final int TYPICAL = 2;

    private final List<Integer> rules = new ArrayList<>();
    private final List<Double> settings = new ArrayList<>();
    private final List<Double> uniforms = new ArrayList<>();
    private final List<Integer> parents = new ArrayList<>();

    SelectionNumbers(Selection selection) {
        for (Selection.Part part : selection.parts()) {
            addRule(part.rule());
            for (int node = 0; node < part.tree().nodes(); node++) {
                uniforms.add(part.uniform(node));
                parents.add(Math.max(0, part.tree().parent(node)));
            }
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

    /** For each row, the number in [0, 1) that decides what is sampled after it. */
    List<Double> uniforms() {
        return uniforms;
    }

    /** For each row, which row of its sequence stands above it. */
    List<Integer> parents() {
        return parents;
    }
}
