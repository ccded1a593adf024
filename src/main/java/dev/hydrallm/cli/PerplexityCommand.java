package dev.hydrallm.cli;

import dev.hydrallm.evaluation.Perplexity;
import dev.hydrallm.evaluation.Scorer;
import dev.hydrallm.evaluation.SlidingWindows;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "perplexity",
        sortOptions = false,
        description = "Measures how well a model foresees a text: the perplexity is the number of tokens that it was as"
                + " unsure between on average; lower is better.",
        footer = {
            "",
            "Only models that cut text into the same tokens can be compared by it, on the same text with the same window"
                    + " and stride. The base alone is scored: drafts change how fast a text comes, not which, and so what"
                    + " the options say of drafting changes nothing here.",
            "",
            "Example:  hydra eval perplexity --text held-out.py",
            "          hydra eval perplexity --model packs/int8 --text held-out.py --format json"
        })
final class PerplexityCommand implements Callable<Integer> {
    @Mixin
    EvaluationOptions options = new EvaluationOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    /**
     * What was measured.
     *
     * @param meanNegativeLogLikelihood nats
     * @param seconds of scoring, loading left out
     */
    record Result(
            String model,
            int window,
            int stride,
            int tokens,
            double meanNegativeLogLikelihood,
            double perplexity,
            double seconds)
            implements Report {

        @Override
        public String tables(Function<Table, String> style) {
            return style.apply(new Table("model", "window", "stride", "tokens", "mean NLL", "perplexity", "seconds")
                    .row(
                            model,
                            String.valueOf(window),
                            String.valueOf(stride),
                            String.valueOf(tokens),
                            Table.number(meanNegativeLogLikelihood, 5),
                            Table.number(perplexity, 4),
                            Table.number(seconds, 1)));
        }
    }

    @Override
    public Integer call() throws IOException {
        String text = options.readText();
        try (PackedModel pack = Models.open(modelOptions);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack)) {
            SlidingWindows windows = options.windows(Models.context(pack, modelOptions));
            int[] tokens = options.tokens(text, tokenizer);
            try (Scorer scorer = Models.scorer(pack, modelOptions, windows.sizeFor(tokens.length))) {
                Progress progress = new Progress("Scoring");
                long start = System.nanoTime();
                Perplexity perplexity = Perplexity.of(
                        scorer, tokens, windows, done -> progress.count(done, tokens.length - 1, "tokens"));
                double seconds = (System.nanoTime() - start) / 1e9;
                options.printed.print(new Result(
                        Models.label(pack),
                        windows.size(),
                        windows.stride(),
                        perplexity.tokens(),
                        perplexity.negativeLogLikelihood(),
                        perplexity.value(),
                        seconds));
            }
        }
        return 0;
    }
}
