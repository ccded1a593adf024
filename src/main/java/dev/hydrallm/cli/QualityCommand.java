package dev.hydrallm.cli;

import dev.hydrallm.evaluation.AnswerQuality;
import dev.hydrallm.evaluation.ReferenceSet;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "quality",
        sortOptions = false,
        description = "Lets models answer prompts greedily and measures how near the answers are to the right ones:"
                + " sentence BLEU-2, and F1 of ROUGE-1, ROUGE-2 and ROUGE-L, means over each set, in percent.",
        footer = {
            "",
            "BLEU-2 is NLTK's sentence_bleu with two equal weights, on words between white space. ROUGE is rouge_score's,"
                    + " without a stemmer; it knows the letters a to z only, so it is for English texts.",
            "Each prompt is answered a second time without drafts, which must give the same tokens: same says of how many"
                    + " answers that is true.",
            "",
            "Example:  hydra eval quality packs/none packs/int8 --set summaries.json --set translations.json",
            "          hydra eval quality --set prompts.json --max-new-tokens 64 --format json"
        })
final class QualityCommand implements Callable<Integer> {
    @Mixin
    ComparedModels models = new ComparedModels();

    @Option(
            names = "--set",
            paramLabel = "FILE",
            required = true,
            description =
                    "A JSON list of objects with a \"prompt\" and a \"gt\", the right answer; those without one are"
                            + " left out. May be given several times.")
    List<Path> sets = new ArrayList<>();

    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            defaultValue = "256",
            description = "Most tokens of an answer. Default: ${DEFAULT-VALUE}.")
    int maxNewTokens;

    @Option(names = "--raw", description = "Use the prompts as they are, without the models' chat templates.")
    boolean raw;

    @Option(names = "--skip-check", description = "Do not answer a second time without drafts.")
    boolean skipCheck;

    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            defaultValue = "table",
            description = "table, markdown or json. Default: ${DEFAULT-VALUE}.")
    Report.Format format = Report.Format.TABLE;

    /** What one model reached, by set. */
    record ModelQuality(String model, List<AnswerQuality> sets) {}

    /** What all models reached. */
    record Result(int maxNewTokens, List<ModelQuality> models) implements Report {
        @Override
        public String tables(Function<Table, String> style) {
            Table table = new Table(
                    "model",
                    "set",
                    "answers",
                    "BLEU-2 %",
                    "ROUGE-1 %",
                    "ROUGE-2 %",
                    "ROUGE-L %",
                    "tokens",
                    "tokens/step",
                    "same without drafts");
            models.forEach(model -> model.sets.forEach(set -> addTo(table, model.model, set)));
            StringBuilder text = new StringBuilder(style.apply(table));
            models.forEach(model -> model.sets.forEach(set -> gaps(model.model, set, text)));
            return text.toString();
        }

        private static void addTo(Table table, String model, AnswerQuality set) {
            AnswerQuality.DraftCheck check = set.check();
            table.row(
                    model,
                    set.set(),
                    String.valueOf(set.answers().size()),
                    percent(set.bleu2()),
                    percent(set.rouge1()),
                    percent(set.rouge2()),
                    percent(set.rougeL()),
                    String.valueOf(set.tokens()),
                    set.answers().isEmpty() ? "" : Table.number(set.tokensPerStep(), 2),
                    set.answers().isEmpty()
                            ? ""
                            : check == null
                                    ? "not checked"
                                    : check.same() + " of " + (check.same() + check.different()));
        }

        private static String percent(double share) {
            return Double.isNaN(share) ? "" : Table.number(100 * share, 2);
        }

        private static void gaps(String model, AnswerQuality set, StringBuilder text) {
            if (set.withoutReference() > 0) {
                text.append(String.format(
                        "%s, %s: %d prompts have no right answer and were left out%n",
                        model, set.set(), set.withoutReference()));
            }
            if (set.tooLong() > 0) {
                text.append(String.format(
                        "%s, %s: %d prompts leave no room in the model's context and were left out%n",
                        model, set.set(), set.tooLong()));
            }
        }
    }

    @Override
    public Integer call() throws IOException {
        if (maxNewTokens < 1) {
            throw new IllegalArgumentException("--max-new-tokens must be at least 1");
        }
        List<ReferenceSet> read = new ArrayList<>();
        for (Path set : sets) {
            read.add(ReferenceSet.read(set));
        }
        List<ModelQuality> results = new ArrayList<>();
        for (ModelOptions each : models.each()) {
            try (TextModel model = Models.load(each)) {
                results.add(new ModelQuality(Models.label(model.pack()), measure(model, each, read)));
            }
        }
        new Result(maxNewTokens, results).print(format);
        return 0;
    }

    private List<AnswerQuality> measure(TextModel model, ModelOptions options, List<ReferenceSet> read) {
        ModelAnswerer answerer = new ModelAnswerer(
                model, Models.speculation(model, options), raw ? ModelAnswerer.Style.RAW : ModelAnswerer.Style.CHAT);
        AnswerQuality.Check check = skipCheck ? AnswerQuality.Check.NOTHING : AnswerQuality.Check.DRAFTS;
        List<AnswerQuality> qualities = new ArrayList<>();
        for (ReferenceSet set : read) {
            Progress progress = new Progress("Answering " + set.name());
            qualities.add(AnswerQuality.of(
                    answerer,
                    set,
                    maxNewTokens,
                    check,
                    done -> progress.count(done, set.prompts().size(), "prompts")));
        }
        return qualities;
    }
}
