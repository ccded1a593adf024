package dev.hydrallm.cli;

import dev.hydrallm.evaluation.DraftReader;
import dev.hydrallm.evaluation.HeadAccuracy;
import dev.hydrallm.evaluation.ModelComparison;
import dev.hydrallm.evaluation.ModelEvaluation.Foresight;
import dev.hydrallm.evaluation.Perplexity;
import dev.hydrallm.evaluation.Scorer;
import dev.hydrallm.evaluation.SlidingWindows;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * What models make of one text.
 *
 * @param content of the file
 */
record TextMeasuring(Path file, String content, WindowOptions windowOptions, Parts parts) {
    private static final int RANKS = 10;

    Foresight foresight(String name, ModelOptions options) {
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack)) {
            SlidingWindows windows = windowOptions.of(Models.context(pack, options));
            int[] tokens = EvaluationOptions.tokens(file, content, tokenizer);
            try (Scorer scorer = Models.scorer(pack, options, windows.sizeFor(tokens.length))) {
                Perplexity perplexity = Perplexity.of(
                        scorer, tokens, windows, parts.counting("Scoring " + name, tokens.length - 1, "tokens"));
                return Foresight.of(perplexity, content.getBytes(StandardCharsets.UTF_8).length);
            }
        }
    }

    ModelComparison fidelity(String name, ModelOptions first, ModelOptions options) {
        try (PackedModel a = Models.open(first);
                PackedModel b = Models.open(options)) {
            int[] tokens = new SharedTokens(named(first), named(options)).of(file, content, a, b);
            SlidingWindows windows = windowOptions.of(Math.min(Models.context(a, first), Models.context(b, options)));
            int longest = windows.sizeFor(tokens.length);
            try (Scorer ofA = Models.scorer(a, first, longest);
                    Scorer ofB = Models.scorer(b, options, longest)) {
                return ModelComparison.of(
                        ofA, ofB, tokens, windows, parts.counting("Comparing " + name, tokens.length - 1, "tokens"));
            }
        }
    }

    private static Path named(ModelOptions options) {
        return options.model == null ? Models.demo() : options.model;
    }

    HeadAccuracy heads(String name, ModelOptions options) {
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack)) {
            SlidingWindows windows = windowOptions.of(Models.context(pack, options));
            int[] tokens = EvaluationOptions.tokens(file, content, tokenizer);
            try (DraftReader reader = Models.draftReader(pack, options, windows.sizeFor(tokens.length))) {
                return HeadAccuracy.of(
                        reader,
                        List.of(HeadAccuracy.Text.whole(tokens)),
                        windows,
                        RANKS,
                        parts.counting("Asking heads of " + name, tokens.length - 1, "tokens"));
            }
        }
    }
}
