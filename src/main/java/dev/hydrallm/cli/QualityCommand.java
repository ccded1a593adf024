package dev.hydrallm.cli;

import dev.hydrallm.evaluation.AnswerQuality;
import dev.hydrallm.evaluation.ReferenceSet;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

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

    @Mixin
    AnswerOptions answers = new AnswerOptions();

    @Option(names = "--skip-check", description = "Do not answer a second time without drafts.")
    boolean skipCheck;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Spec
    CommandSpec command = CommandSpec.create();

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
        if (answers.sets.isEmpty()) {
            throw new ParameterException(command.commandLine(), "Missing required option: '--set=FILE'");
        }
        List<ReferenceSet> read = answers.read();
        List<ModelQuality> results = new ArrayList<>();
        for (ModelOptions each : models.each()) {
            try (TextModel model = Models.load(each)) {
                results.add(new ModelQuality(Models.label(model.pack()), measure(model, each, read)));
            }
        }
        printed.print(new Result(answers.maxNewTokens, results));
        return 0;
    }

    private List<AnswerQuality> measure(TextModel model, ModelOptions options, List<ReferenceSet> read) {
        ModelAnswerer answerer = new ModelAnswerer(model, Models.speculation(model, options), answers.style());
        AnswerQuality.Check check = skipCheck ? AnswerQuality.Check.NOTHING : AnswerQuality.Check.DRAFTS;
        List<AnswerQuality> qualities = new ArrayList<>();
        for (ReferenceSet set : read) {
            Progress progress = new Progress("Answering " + set.name());
            qualities.add(AnswerQuality.of(
                    answerer,
                    set,
                    answers.maxNewTokens,
                    check,
                    done -> progress.count(done, set.prompts().size(), "prompts")));
        }
        return qualities;
    }
}
