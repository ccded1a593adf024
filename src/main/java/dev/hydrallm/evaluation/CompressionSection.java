package dev.hydrallm.evaluation;

import static dev.hydrallm.evaluation.PageParts.bars;
import static dev.hydrallm.evaluation.PageParts.number;

import dev.hydrallm.charts.Page;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/** The section of an {@link EvaluationPage} about how many tokens a step writes. */
final class CompressionSection {
    private CompressionSection() {}

    /** A bar for each set and model, how many drafts are accepted at once, and all in numbers. */
    static void write(Page page, List<ModelEvaluation> models) {
        Set<String> names = new LinkedHashSet<>();
        models.forEach(model -> model.compression().found().ifPresent(found -> names.addAll(found.keySet())));
        if (names.isEmpty()) {
            return;
        }
        List<String> sets = List.copyOf(names);
        int depth = models.stream()
                .flatMap(model -> model.compression().found().stream())
                .flatMap(found -> found.values().stream())
                .mapToInt(found -> found.accepted().size() - 1)
                .max()
                .orElseThrow();
        page.section("Tokens per step");
        page.charts(List.of(
                bars(
                        "Tokens a step, the whole tree drafted",
                        "tokens/step",
                        sets,
                        models,
                        model -> sets.stream()
                                .mapToDouble(set -> of(model, set)
                                        .map(Compression::tokensPerStep)
                                        .orElse(Double.NaN))
                                .toArray()),
                bars(
                        "Drafts accepted by a step, all sets together",
                        "% of steps",
                        IntStream.rangeClosed(0, depth)
                                .mapToObj(String::valueOf)
                                .toList(),
                        models,
                        model -> accepted(model, depth))));
        List<List<String>> rows = new ArrayList<>();
        for (ModelEvaluation model : models) {
            sets.forEach(set -> of(model, set)
                    .ifPresent(found -> rows.add(List.of(
                            model.name(),
                            set,
                            String.valueOf(found.texts()),
                            String.valueOf(found.tokens()),
                            String.valueOf(found.steps()),
                            number(found.tokensPerStep(), 2),
                            Double.isFinite(found.asMedusaCounts())
                                    ? number(found.asMedusaCounts(), 2)
                                    : PageParts.NOTHING))));
        }
        page.table(List.of("model", "set", "texts", "tokens", "steps", "tokens/step", "as Medusa counts"), rows);
        page.note("New tokens ÷ steps, greedy. Medusa counts one step less for each text.");
    }

    private static Optional<Compression> of(ModelEvaluation model, String set) {
        return model.compression().found().map(found -> found.get(set));
    }

    /** The share of all steps that accepted so many drafts, in percent. */
    private static double[] accepted(ModelEvaluation model, int depth) {
        double[] counts = new double[depth + 1];
        Map<String, Compression> found = model.compression().found().orElse(Map.of());
        for (Compression each : found.values()) {
            for (int length = 0; length < each.accepted().size(); length++) {
                counts[length] += each.accepted().get(length);
            }
        }
        double steps = Arrays.stream(counts).sum();
        return Arrays.stream(counts)
                .map(count -> steps == 0 ? Double.NaN : 100 * count / steps)
                .toArray();
    }
}
