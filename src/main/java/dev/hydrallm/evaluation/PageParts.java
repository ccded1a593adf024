package dev.hydrallm.evaluation;

import dev.hydrallm.charts.BarChart;
import dev.hydrallm.charts.Page;
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
        int digits = summary.mean() < 20 ? 2 : summary.mean() < 100 ? 1 : 0;
        return number(summary.mean(), digits) + " ± " + number(summary.deviation(), digits);
    }

    static <T> String cell(Part<T> part, Function<T, String> text) {
        return cell(part.found(), text);
    }

    static <T> String cell(Optional<T> part, Function<T, String> text) {
        return part.map(text).orElse(NOTHING);
    }

    /**
     * Bars in groups. Every model has its bar and its place in the legend in every chart, so that it has the same colour in
     * all of them.
     *
     * @param values of a model, one for each group, not a number where nothing was measured
     */
    static String bars(
            String title,
            String label,
            List<String> groups,
            List<ModelEvaluation> models,
            Function<ModelEvaluation, double[]> values) {
        return bars(title, label, groups, models, values, model -> new double[0]);
    }

    /** The same with errors. */
    static String bars(
            String title,
            String label,
            List<String> groups,
            List<ModelEvaluation> models,
            Function<ModelEvaluation, double[]> values,
            Function<ModelEvaluation, double[]> errors) {
        return new BarChart(
                        title,
                        label,
                        groups,
                        models.stream()
                                .map(model ->
                                        new BarChart.Series(model.name(), values.apply(model), errors.apply(model)))
                                .toList())
                .svg();
    }

    /** A bar for each model. */
    static String bars(
            String title,
            String label,
            List<ModelEvaluation> models,
            Function<ModelEvaluation, Optional<Double>> value) {
        return bars(title, label, List.of(""), models, model -> new double[] {orNaN(value.apply(model))});
    }

    /** Charts side by side, each as high as it is; a single one takes half of the page. */
    static void drawings(Page page, List<String> svgs) {
        page.markup("<div class=\"charts\" style=\"align-items:start" + (svgs.size() == 1 ? ";max-width:560px" : "")
                + "\">\n");
        svgs.forEach(svg -> page.markup("<figure>\n" + svg + "</figure>\n"));
        page.markup("</div>\n");
    }

    static double orNaN(Optional<Double> value) {
        return value.orElse(Double.NaN);
    }
}
