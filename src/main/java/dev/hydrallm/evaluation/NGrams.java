package dev.hydrallm.evaluation;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How often each run of {@code n} neighbouring words occurs in a text.
 *
 * @param total occurrences in all
 */
record NGrams(Map<List<String>, Integer> counts, int total) {

    /** Counts a text's; a text that is shorter has none. */
    static NGrams of(List<String> words, int n) {
        Map<List<String>, Integer> counts = new HashMap<>();
        for (int i = 0; i + n <= words.size(); i++) {
            counts.merge(List.copyOf(words.subList(i, i + n)), 1, Integer::sum);
        }
        return new NGrams(counts, Math.max(0, words.size() - n + 1));
    }

    /** Occurrences that both have: of each run as many as the text that has fewer of it. */
    int shared(NGrams other) {
        return counts.entrySet().stream()
                .mapToInt(entry -> Math.min(entry.getValue(), other.counts.getOrDefault(entry.getKey(), 0)))
                .sum();
    }
}
