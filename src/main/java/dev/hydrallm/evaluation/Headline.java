package dev.hydrallm.evaluation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;

/** Which of several models is the best, in one sentence for each thing that makes one so. */
final class Headline {
    /** Shares that differ by less are the same in print. */
    private static final double SMALLEST_DIFFERENCE = 5e-5;

    private final List<ModelEvaluation> models;
    private final List<String> sentences = new ArrayList<>();

    private Headline(List<ModelEvaluation> models) {
        this.models = models;
    }

    /** The sentences; of a single model, what it reached. */
    static List<String> of(List<ModelEvaluation> models) {
        Headline headline = new Headline(models);
        headline.speed();
        headline.best(
                "foresees the text best",
                model -> model.foresight().found(),
                ModelEvaluation.Foresight::bitsPerByte,
                found -> String.format(
                        Locale.ROOT,
                        "%.3f bits a byte, perplexity %.3f",
                        found.bitsPerByte(),
                        found.perplexity().value()));
        headline.best(
                "is the smallest",
                model -> model.profile().found(),
                ModelEvaluation.Profile::bytes,
                found -> String.format(
                        Locale.ROOT, "%.1f MB, %.2f bits a weight", found.bytes() / 1e6, found.bitsPerWeight()));
        Set<String> sets = new LinkedHashSet<>();
        models.forEach(model -> sets.addAll(model.quality().keySet()));
        for (String set : sets) {
            headline.best(
                    "has the highest BLEU-2 on " + set,
                    model -> answered(model, set),
                    quality -> -quality.bleu2(),
                    found -> String.format(
                            Locale.ROOT, "BLEU-2 %.2f %%, ROUGE-L %.2f %%", 100 * found.bleu2(), 100 * found.rougeL()));
        }
        return headline.sentences;
    }

    private static Optional<AnswerQuality> answered(ModelEvaluation model, String set) {
        Part<AnswerQuality> part = model.quality().get(set);
        return part == null
                ? Optional.empty()
                : part.found().filter(quality -> !quality.answers().isEmpty() && quality.bleu2() > SMALLEST_DIFFERENCE);
    }

    private void speed() {
        List<ModelEvaluation> measured = models.stream()
                .filter(model -> model.usual().isPresent())
                .sorted(Comparator.comparingDouble(
                        (ModelEvaluation model) -> -speed(model).mean()))
                .toList();
        if (measured.isEmpty()) {
            return;
        }
        Summary fastest = speed(measured.getFirst());
        // Who is not slower by more than what repeats differ by is as fast.
        List<String> winners = measured.stream()
                .filter(model -> fastest.mean() - speed(model).mean() <= noise(fastest, speed(model)))
                .map(ModelEvaluation::name)
                .toList();
        SpeedBenchmark.Line line = measured.getFirst().usual().orElseThrow();
        String reached = String.format(
                Locale.ROOT,
                "%.0f tokens/s, %.2f times its own plain decoding, %.2f tokens a step",
                fastest.mean(),
                line.ratio().mean(),
                line.tokensPerStep());
        if (models.size() == 1) {
            sentences.add(winners.getFirst() + ": " + reached + ".");
        } else if (line.speeds().size() < 2) {
            sentences.add("Which model is the fastest takes two repeats or more to say, and there was one.");
        } else if (winners.size() == 1) {
            sentences.add(winners.getFirst() + " is the fastest: " + reached + ".");
        } else {
            sentences.add(listed(winners) + " are the fastest, the same within what repeats differ by; "
                    + winners.getFirst() + ": " + reached + ".");
        }
    }

    private static double noise(Summary a, Summary b) {
        return a.deviation() + b.deviation();
    }

    private static Summary speed(ModelEvaluation model) {
        return model.usual().orElseThrow().tokensPerSecond();
    }

    /** Says who has the least of something, if anyone has it. */
    private <T> void best(
            String what,
            Function<ModelEvaluation, Optional<T>> part,
            ToDoubleFunction<T> least,
            Function<T, String> reached) {
        List<ModelEvaluation> measured =
                models.stream().filter(model -> part.apply(model).isPresent()).toList();
        if (measured.isEmpty()) {
            return;
        }
        ToDoubleFunction<ModelEvaluation> value =
                model -> least.applyAsDouble(part.apply(model).orElseThrow());
        double best = measured.stream().mapToDouble(value).min().orElseThrow();
        List<ModelEvaluation> winners = measured.stream()
                .filter(model -> value.applyAsDouble(model) - best < SMALLEST_DIFFERENCE)
                .toList();
        List<String> names = winners.stream().map(ModelEvaluation::name).toList();
        String who = winners.size() == 1
                ? names.getFirst() + (models.size() == 1 ? "" : " " + what)
                : listed(names) + " " + plural(what) + ", alike";
        sentences.add(who + ": " + reached.apply(part.apply(winners.getFirst()).orElseThrow()) + ".");
    }

    /** Names as a sentence lists them. */
    private static String listed(List<String> names) {
        return String.join(", ", names.subList(0, names.size() - 1)) + " and " + names.getLast();
    }

    private static String plural(String what) {
        return what.replaceFirst("^is ", "are ")
                .replaceFirst("^foresees ", "foresee ")
                .replaceFirst("^has ", "have ");
    }
}
