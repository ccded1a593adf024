package dev.hydrallm.cli;

import dev.hydrallm.evaluation.EvaluationPage;
import dev.hydrallm.evaluation.Machine;
import dev.hydrallm.evaluation.ModelEvaluation;
import dev.hydrallm.evaluation.Part;
import dev.hydrallm.evaluation.PromptSet;
import dev.hydrallm.evaluation.ReferenceSet;
import java.io.IOException;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "all",
        sortOptions = false,
        description =
                "Measures all of any number of models and compares them on one page: sizes, load, perplexity, divergence"
                        + " from the first model, draft heads, speed with and without drafts, and answers.",
        footer = {
            "",
            "What cannot be measured, such as the draft heads of a model that has none, is left out, and the page says why."
                    + " Ctrl-C ends early, with a page of what is measured by then. Before each load of a large pack memory is used and kept"
                    + " for 4.5 seconds, so that all begin alike.",
            "",
            "Example:  hydra eval all packs/none packs/int8 --text held-out.py --set summaries.json --report report.html",
            "          hydra eval all --text held-out.py --format json"
        })
final class AllCommand implements Callable<Integer> {
    private static final String ENDED =
            "The command was ended before all was measured: this is what there was by then.";

    @Mixin
    ComparedModels models = new ComparedModels();

    @Option(
            names = "--report",
            paramLabel = "FILE",
            description = "Where the page goes: HTML that needs no other file.")
    @Nullable
    Path report;

    @Option(
            names = "--text",
            paramLabel = "FILE",
            description =
                    "A text in UTF-8 that no model has been trained on, for perplexity, divergence and draft heads.")
    @Nullable
    Path text;

    @Mixin
    WindowOptions windows = new WindowOptions();

    @Mixin
    AnswerOptions answers = new AnswerOptions();

    @Option(
            names = "--prompt-file",
            paramLabel = "FILE",
            description = "A prompt for measuring speed; may be given several times. Default: five beginnings of Python"
                    + " files.")
    List<Path> promptFiles = new ArrayList<>();

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "128",
            description = "Generated for each prompt where speed is measured. Default: ${DEFAULT-VALUE}.")
    int tokens;

    @Option(
            names = "--repeats",
            paramLabel = "N",
            defaultValue = "5",
            description = "Of loading and of whole generations. Default: ${DEFAULT-VALUE}.")
    int repeats;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Spec
    @Nullable
    CommandSpec spec;

    /** All that was measured. */
    record Result(Machine machine, String command, List<ModelEvaluation> models) implements Report {
        @Override
        public String tables(Function<Table, String> style) {
            Table table = new Table(
                    "model",
                    "MB",
                    "load s",
                    "perplexity",
                    "head 1 top-1 %",
                    "plain tokens/s",
                    "tokens/s",
                    "tokens/step",
                    "BLEU-2 %");
            for (ModelEvaluation model : models) {
                table.row(
                        model.name(),
                        cell(model.profile(), profile -> Table.number(profile.bytes() / 1e6, 1)),
                        cell(model.load(), load -> Table.number(load.loaded().median(), 2)),
                        cell(
                                model.foresight(),
                                found -> Table.number(found.perplexity().value(), 4)),
                        cell(
                                model.heads(),
                                found -> Table.number(
                                        100 * found.ofBase().getFirst().top(1), 1)),
                        cell(
                                model.speed(),
                                lines -> BenchReport.spread(lines.getFirst().tokensPerSecond(), 1)),
                        model.usual()
                                .map(line -> BenchReport.spread(line.tokensPerSecond(), 1))
                                .orElse(""),
                        model.usual()
                                .map(line -> Table.number(line.tokensPerStep(), 2))
                                .orElse(""),
                        String.join(
                                " / ",
                                model.quality().values().stream()
                                        .map(part -> cell(part, found -> Table.number(100 * found.bleu2(), 2)))
                                        .toList()));
            }
            return style.apply(table);
        }

        private static <T> String cell(Part<T> part, Function<T, String> shown) {
            return part.found().map(shown).orElse("");
        }
    }

    @Override
    public Integer call() throws IOException {
        if (tokens < 1 || repeats < 1) {
            throw new IllegalArgumentException("--tokens and --repeats must be at least 1");
        }
        Outputs.prepare(report);
        List<ReferenceSet> read = answers.read();
        Set<String> names = new HashSet<>(Set.of(PromptSet.python().name()));
        for (int i = 0; i < read.size(); i++) {
            if (!names.add(read.get(i).name())) {
                throw new IllegalArgumentException(answers.sets.get(i) + ": there is another set named "
                        + read.get(i).name() + ", and the page tells sets by their names: rename one");
            }
        }
        String content = text == null ? null : EvaluationOptions.readText(text);
        try (Interruption interruption = new Interruption(
                () -> System.err.println("\nhydra: ending, with what is measured so far; once more ends at once"))) {
            List<ModelEvaluation> measured =
                    new ModelMeasuring(this, content, read, interruption::wished).all(models.each());
            Part<?> first = measured.getFirst().profile();
            if (measured.stream().noneMatch(model -> model.profile().found().isPresent())) {
                throw new IllegalArgumentException(
                        "no model could be measured: " + first.missing().orElse(""));
            }
            Machine machine = Machine.here();
            if (report != null) {
                Outputs.write(report, page(measured, machine, interruption.wished() ? " " + ENDED : ""));
            }
            printed.print(new Result(machine, command(), measured));
            if (report != null) {
                System.err.println("hydra: the page is " + report.toAbsolutePath());
            }
            return interruption.wished() ? Cli.INTERRUPTED : 0;
        }
    }

    private String page(List<ModelEvaluation> measured, Machine machine, String caveat) {
        String setting = String.format(
                "Measured on %s, %d processors, %s, Java %s, %s.%s",
                machine.processor(),
                machine.processors(),
                machine.system(),
                machine.java(),
                LocalDate.now(ZoneOffset.UTC),
                caveat);
        List<String> method = new ArrayList<>();
        method.add("Speed: greedy decoding of " + tokens + " tokens from each of "
                + (promptFiles.isEmpty() ? "five beginnings of Python files" : promptFiles.size() + " prompts")
                + ", prefill left out, ways of drafting in turns within each of " + repeats
                + " repeats, models one after the other; ± is a standard deviation. Times plain is the ratio within a repeat."
                + " Trees \"up to n\" adapt to what pays, \"or of the text\" with what followed where its end stood in it before; those of n"
                + " nodes are drafted whole at every step.");
        method.add(
                "Load: from opened files to an engine that is ready, weights verified, files in the page cache; median of "
                        + repeats
                        + ". A divergence is KL(first model ‖ model) of the next token's distribution, read in the same windows.");
        method.add("Answers: greedy, at most " + answers.maxNewTokens + " tokens, "
                + (answers.raw ? "prompts as they are" : "through the chat template")
                + ". BLEU-2 is NLTK's sentence_bleu with weights (0.5, 0.5) and no smoothing on words between white space; ROUGE"
                + " is rouge_score's F1 without a stemmer, which knows the letters a to z only.");
        return EvaluationPage.html(measured, setting, method, commands(measured));
    }

    /** What measures all again, and the parts for themselves. */
    private List<String> commands(List<ModelEvaluation> measured) {
        List<String> lines = new ArrayList<>(List.of(command()));
        for (ModelEvaluation model : measured) {
            String option = model.source().isEmpty() ? "" : " --model " + quoted(model.source());
            lines.add("hydra bench" + option + " --tokens " + tokens + " --repeats " + repeats);
            if (text != null) {
                lines.add("hydra eval perplexity" + option + " --text " + quoted(text.toString()));
                lines.add("hydra eval heads" + option + " --text " + quoted(text.toString()));
            }
        }
        return lines;
    }

    /** The command line as it was given. */
    private String command() {
        CommandSpec command = Objects.requireNonNull(spec);
        StringBuilder line = new StringBuilder("hydra");
        command.root()
                .commandLine()
                .getParseResult()
                .originalArgs()
                .forEach(word -> line.append(' ').append(quoted(word)));
        return line.toString();
    }

    private static String quoted(String word) {
        return word.matches("[\\w@%+=:,./-]+") ? word : "'" + word.replace("'", "'\\''") + "'";
    }
}
