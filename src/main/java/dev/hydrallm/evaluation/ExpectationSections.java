package dev.hydrallm.evaluation;

import static dev.hydrallm.evaluation.PageParts.NOTHING;
import static dev.hydrallm.evaluation.PageParts.bars;
import static dev.hydrallm.evaluation.PageParts.cell;
import static dev.hydrallm.evaluation.PageParts.number;

import dev.hydrallm.charts.LineChart;
import dev.hydrallm.charts.Page;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** The sections of an {@link EvaluationPage} about what models and their draft heads expect. */
final class ExpectationSections {
    private ExpectationSections() {}

    /** How well a text was foreseen, and how far the models are from the first. */
    static void foresight(Page page, List<ModelEvaluation> models) {
        if (models.stream().allMatch(model -> model.foresight().found().isEmpty())) {
            return;
        }
        page.section("Foresight");
        List<String> charts = new ArrayList<>();
        charts.add(bars(
                "Perplexity (lower is better)",
                "perplexity",
                models,
                model -> model.foresight()
                        .found()
                        .map(found -> found.perplexity().value())));
        if (models.stream().anyMatch(model -> model.fidelity().found().isPresent())) {
            charts.add(bars(
                    "Divergence from " + models.getFirst().name() + " (lower is nearer)",
                    "mean KL, nats",
                    models,
                    model -> model.fidelity()
                            .found()
                            .map(found -> found.divergence().mean())));
        }
        page.charts(charts);
        page.table(
                List.of(
                        "model",
                        "tokens",
                        "mean NLL",
                        "perplexity",
                        "bits/byte",
                        "KL mean",
                        "KL 99 %",
                        "same top token %"),
                models.stream()
                        .map(model -> List.of(
                                model.name(),
                                cell(
                                        model.foresight(),
                                        found -> String.valueOf(
                                                found.perplexity().tokens())),
                                cell(
                                        model.foresight(),
                                        found -> number(found.perplexity().negativeLogLikelihood(), 5)),
                                cell(
                                        model.foresight(),
                                        found -> number(found.perplexity().value(), 4)),
                                cell(model.foresight(), found -> number(found.bitsPerByte(), 4)),
                                cell(
                                        model.fidelity(),
                                        found -> number(found.divergence().mean(), 6)),
                                cell(
                                        model.fidelity(),
                                        found -> number(found.divergence().percentile99(), 6)),
                                cell(model.fidelity(), found -> number(100 * found.agreement(), 2))))
                        .toList());
        page.note(
                "Perplexities compare models that cut the text into the same tokens; bits a byte compare all. KL is that of"
                        + " the next token's distribution from the first model's.");
    }

    /** How often draft heads are right. */
    static void heads(Page page, List<ModelEvaluation> models) {
        List<ModelEvaluation> measured = models.stream()
                .filter(model -> model.heads().found().isPresent())
                .toList();
        if (measured.isEmpty()) {
            return;
        }
        page.section("Draft heads");
        int most = measured.stream()
                .mapToInt(model -> accuracy(model).ofBase().size())
                .max()
                .orElseThrow();
        List<String> groups =
                IntStream.rangeClosed(1, most).mapToObj(head -> "head " + head).toList();
        List<String> charts = new ArrayList<>();
        charts.add(bars("The base's choice is the best guess", "top-1 %", groups, models, model -> top1(model, most)));
        for (int head = 0; head < most; head++) {
            int number = head;
            charts.add(new LineChart(
                            "Head " + (head + 1) + ": the base's choice is among the best guesses",
                            "guesses",
                            "%",
                            models.stream().map(model -> curve(model, number)).toList())
                    .svg());
        }
        page.charts(charts);
        List<List<String>> rows = new ArrayList<>();
        for (ModelEvaluation model : measured) {
            HeadAccuracy found = accuracy(model);
            for (int head = 0; head < found.ofBase().size(); head++) {
                RankHits base = found.ofBase().get(head);
                rows.add(List.of(
                        model.name(),
                        String.valueOf(head + 1),
                        String.valueOf(base.asked()),
                        interval(base),
                        top(base, 3),
                        top(base, 5),
                        top(base, 10),
                        interval(found.ofText().get(head))));
            }
        }
        page.table(
                List.of("model", "head", "tokens", "top-1 %", "top-3 %", "top-5 %", "top-10 %", "top-1 % of the text"),
                rows);
        page.note(
                "Right is what the base would have chosen greedily in that place, given the text up to there; the last column"
                        + " holds the text's own token for right. ± is half of the 95 % interval.");
    }

    private static HeadAccuracy accuracy(ModelEvaluation model) {
        return model.heads().found().orElseThrow();
    }

    private static double[] top1(ModelEvaluation model, int heads) {
        double[] values = new double[heads];
        Arrays.fill(values, Double.NaN);
        model.heads().found().ifPresent(found -> {
            for (int head = 0; head < found.ofBase().size(); head++) {
                values[head] = 100 * found.ofBase().get(head).top(1);
            }
        });
        return values;
    }

    /** How often a head has it among its best guesses; a model without that head has an empty curve, in its colour. */
    private static LineChart.Series curve(ModelEvaluation model, int head) {
        List<RankHits> heads = model.heads().found().map(HeadAccuracy::ofBase).orElse(List.of());
        int ranks = head < heads.size() ? heads.get(head).hits().size() : 0;
        return new LineChart.Series(
                model.name(),
                IntStream.rangeClosed(1, ranks).asDoubleStream().toArray(),
                IntStream.rangeClosed(1, ranks)
                        .mapToDouble(rank -> 100 * heads.get(head).top(rank))
                        .toArray());
    }

    private static String interval(RankHits hits) {
        RankHits.Interval interval = hits.interval(1);
        return number(100 * hits.top(1), 1) + " ± " + number(50 * (interval.high() - interval.low()), 1);
    }

    private static String top(RankHits hits, int ranks) {
        return hits.hits().size() < ranks ? NOTHING : number(100 * hits.top(ranks), 1);
    }
}
