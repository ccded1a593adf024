package dev.hydrallm.cli;

import dev.hydrallm.evaluation.ModelComparison;
import dev.hydrallm.evaluation.ModelComparison.Divergence;
import dev.hydrallm.evaluation.Perplexity;
import dev.hydrallm.evaluation.Scorer;
import dev.hydrallm.evaluation.SlidingWindows;
import dev.hydrallm.model.PackedModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "compare",
        sortOptions = false,
        description =
                "Measures how far model B's expectations are from model A's over a text that both read in the same"
                        + " windows: KL(A‖B) of the next token's distribution in nats, and how often both hold the same token"
                        + " for the likeliest.",
        footer = {
            "",
            "Give the better model, such as the one in full precision, as A. Both must have the same tokens.",
            "",
            "Example:  hydra eval compare packs/none packs/int8 --text held-out.py",
            "          hydra eval compare base/ packs/int8 --text held-out.py --format markdown"
        })
final class CompareCommand implements Callable<Integer> {
    @Parameters(
            index = "0",
            paramLabel = "A",
            description = "The model that is held for right: packed, or a checkpoint, which is packed on first use.")
    Path first = Path.of("");

    @Parameters(index = "1", paramLabel = "B", description = "The model that is measured by it.")
    Path second = Path.of("");

    @Mixin
    EvaluationOptions options = new EvaluationOptions();

    @Mixin
    DeviceOptions on = new DeviceOptions();

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "CPU threads. Default: one for a small model, else all this process may use.")
    int threads;

    /** One model's own figures; the mean negative log likelihood is in nats. */
    record Model(String model, double meanNegativeLogLikelihood, double perplexity) {
        private static Model of(PackedModel pack, Perplexity measured) {
            return new Model(Models.label(pack), measured.negativeLogLikelihood(), measured.value());
        }

        private void addTo(Table table, String letter) {
            table.row(letter + ": " + model, Table.number(meanNegativeLogLikelihood, 5), Table.number(perplexity, 4));
        }
    }

    /**
     * What was measured.
     *
     * @param divergence KL(first ‖ second), nats
     * @param topAgreement share of tokens before which both hold the same token for the likeliest
     * @param seconds of scoring, loading left out
     */
    record Result(
            Model first,
            Model second,
            int window,
            int stride,
            int tokens,
            Divergence divergence,
            double topAgreement,
            double seconds)
            implements Report {

        @Override
        public String tables(Function<Table, String> style) {
            Table models = new Table("model", "mean NLL", "perplexity");
            first.addTo(models, "A");
            second.addTo(models, "B");
            Table difference = new Table("KL(A‖B) mean", "median", "99 %", "maximum", "same top token %")
                    .row(
                            Table.number(divergence.mean(), 6),
                            Table.number(divergence.median(), 6),
                            Table.number(divergence.percentile99(), 6),
                            Table.number(divergence.maximum(), 6),
                            Table.number(100 * topAgreement, 2));
            return String.format(
                    "%d tokens in windows of %d, stride %d: %s seconds%n%n%s%n%s",
                    tokens, window, stride, Table.number(seconds, 1), style.apply(models), style.apply(difference));
        }
    }

    @Override
    public Integer call() throws IOException {
        String text = options.readText();
        ModelOptions firstOptions = modelOptions(first);
        ModelOptions secondOptions = modelOptions(second);
        try (PackedModel a = Models.open(firstOptions);
                PackedModel b = Models.open(secondOptions)) {
            int[] tokens = new SharedTokens(first, second).of(options.text, text, a, b);
            int context = Math.min(Models.context(a, firstOptions), Models.context(b, secondOptions));
            SlidingWindows windows = options.windows(context);
            int longest = windows.sizeFor(tokens.length);
            try (Scorer ofA = Models.scorer(a, firstOptions, longest);
                    Scorer ofB = Models.scorer(b, secondOptions, longest)) {
                Progress progress = new Progress("Comparing");
                long start = System.nanoTime();
                ModelComparison comparison = ModelComparison.of(
                        ofA, ofB, tokens, windows, done -> progress.count(done, tokens.length - 1, "tokens"));
                double seconds = (System.nanoTime() - start) / 1e9;
                options.printed.print(result(a, b, windows, comparison, seconds));
            }
        }
        return 0;
    }

    private ModelOptions modelOptions(Path model) {
        ModelOptions each = new ModelOptions();
        each.model = model;
        each.threads = threads;
        each.on = on;
        return each;
    }

    private static Result result(
            PackedModel a, PackedModel b, SlidingWindows windows, ModelComparison comparison, double seconds) {
        return new Result(
                Model.of(a, comparison.first()),
                Model.of(b, comparison.second()),
                windows.size(),
                windows.stride(),
                comparison.first().tokens(),
                comparison.divergence(),
                comparison.agreement(),
                seconds);
    }
}
