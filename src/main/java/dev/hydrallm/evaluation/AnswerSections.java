package dev.hydrallm.evaluation;

import static dev.hydrallm.evaluation.PageParts.NOTHING;
import static dev.hydrallm.evaluation.PageParts.bars;
import static dev.hydrallm.evaluation.PageParts.number;

import dev.hydrallm.charts.Page;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The section of an {@link EvaluationPage} about answers to prompts. */
final class AnswerSections {
    private static final int EXAMPLES = 3;
    private static final List<String> SCORES = List.of("BLEU-2", "ROUGE-1", "ROUGE-2", "ROUGE-L");

    private AnswerSections() {}

    /** A chart, a row for each model and some answers, by set. */
    static void quality(Page page, List<ModelEvaluation> models) {
        Set<String> sets = new LinkedHashSet<>();
        models.forEach(model -> model.quality()
                .forEach((set, part) ->
                        part.found().filter(found -> !found.answers().isEmpty()).ifPresent(found -> sets.add(set))));
        if (sets.isEmpty()) {
            return;
        }
        page.section("Answers");
        List<String> charts = new ArrayList<>();
        List<List<String>> rows = new ArrayList<>();
        for (String set : sets) {
            charts.add(bars(
                    set,
                    "%",
                    SCORES,
                    models,
                    model -> of(model, set).map(AnswerSections::scores).orElseGet(AnswerSections::nothing)));
            models.forEach(model -> of(model, set).ifPresent(found -> rows.add(row(model.name(), found))));
        }
        PageParts.drawings(page, charts);
        page.table(
                List.of(
                        "model",
                        "set",
                        "answers",
                        "BLEU-2",
                        "ROUGE-1",
                        "ROUGE-2",
                        "ROUGE-L",
                        "tokens",
                        "tokens/step",
                        "same"),
                rows);
        page.note(
                "Means over the answers of a set in percent; ROUGE is F1. Same are answers whose every token is the same"
                        + " without drafts. Few answers make a difference of some points chance.");
        sets.forEach(set -> examples(page, models, set));
    }

    private static Optional<AnswerQuality> of(ModelEvaluation model, String set) {
        Part<AnswerQuality> part = model.quality().get(set);
        return part == null ? Optional.empty() : part.found();
    }

    /** In percent; what NLTK leaves of a score of nothing is nothing. */
    private static double[] scores(AnswerQuality found) {
        double bleu2 = found.bleu2() < 1e-9 ? 0 : found.bleu2();
        return new double[] {100 * bleu2, 100 * found.rouge1(), 100 * found.rouge2(), 100 * found.rougeL()};
    }

    private static double[] nothing() {
        double[] nothing = new double[SCORES.size()];
        Arrays.fill(nothing, Double.NaN);
        return nothing;
    }

    private static List<String> row(String model, AnswerQuality found) {
        List<String> row = new ArrayList<>(
                List.of(model, found.set(), String.valueOf(found.answers().size())));
        for (double score : scores(found)) {
            row.add(number(score, 2));
        }
        AnswerQuality.DraftCheck check = found.check();
        row.add(String.valueOf(found.tokens()));
        row.add(number(found.tokensPerStep(), 2));
        row.add(check == null ? NOTHING : check.same() + " of " + (check.same() + check.different()));
        return row;
    }

    /** The first prompts with what everybody answered, folded away. */
    private static void examples(Page page, List<ModelEvaluation> models, String set) {
        StringBuilder html = new StringBuilder("<details><summary>First answers to ")
                .append(Page.escaped(set))
                .append("</summary>\n");
        for (int i = 0; i < EXAMPLES; i++) {
            String question = "";
            for (ModelEvaluation model : models) {
                List<AnswerQuality.Scored> answers =
                        of(model, set).map(AnswerQuality::answers).orElse(List.of());
                if (i < answers.size()) {
                    String asked = asked(answers.get(i));
                    html.append(asked.equals(question) ? "" : asked)
                            .append(said(model.name(), answers.get(i).answer()));
                    question = asked;
                }
            }
        }
        page.markup(html.append("</details>\n").toString());
    }

    private static String asked(AnswerQuality.Scored answer) {
        return said("asked", answer.prompt()) + said("right", answer.reference());
    }

    private static String said(String who, String what) {
        return "<p class=\"soft\">" + Page.escaped(who) + "</p><pre style=\"white-space:pre-wrap\">"
                + Page.escaped(what) + "</pre>\n";
    }
}
