package dev.hydrallm.evaluation;

import dev.hydrallm.charts.BarChart;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Function;

/** What the sections of an {@link EvaluationPage} write their numbers and draw their bars with. */
final class PageParts {
    /** Stands where nothing was measured. */
    static final String NOTHING = "–";

    private PageParts() {}

    static String number(double value, int digits) {
        return Double.isNaN(value) ? NOTHING : String.format(Locale.ROOT, "%." + digits + "f", value);
    }

    /** Mean and standard deviation, with a digit more where numbers are small. */
    static String spread(Summary summary) {
        int digits = summary.mean() < 20 ? 2 : summary.mean() < 200 ? 1 : 0;
        return number(summary.mean(), digits) + " ± " + number(summary.deviation(), digits);
    }

    static <T> String cell(Part<T> part, Function<T, String> text) {
        return cell(part.found(), text);
    }

    static <T> String cell(Optional<T> part, Function<T, String> text) {
        return part.map(text).orElse(NOTHING);
    }

    static List<String> names(List<ModelEvaluation> models) {
        return models.stream().map(ModelEvaluation::name).toList();
    }

    /** A value for each model, not a number where there is none. */
    static double[] values(List<ModelEvaluation> models, Function<ModelEvaluation, Optional<Double>> value) {
        return models.stream()
                .mapToDouble(model -> value.apply(model).orElse(Double.NaN))
                .toArray();
    }

    /** A bar for each model. */
    static String bars(
            String title,
            String label,
            List<ModelEvaluation> models,
            Function<ModelEvaluation, Optional<Double>> value) {
        return new BarChart(
                        title, label, names(models), List.of(new BarChart.Series("", values(models, value))))
                .svg();
    }
}
