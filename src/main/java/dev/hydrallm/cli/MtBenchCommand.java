package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.evaluation.Answerer;
import dev.hydrallm.evaluation.MtBench;
import dev.hydrallm.evaluation.MtBenchAnswers;
import dev.hydrallm.evaluation.MtBenchQuestion;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "mtbench",
        sortOptions = false,
        description = "Lets a model answer the questions of MT-bench, each a dialogue of two turns at its category's"
                + " temperature, and writes the answers as FastChat's judge reads them.",
        footer = {
            "",
            "A line of the output has FastChat's fields and, for each turn, idxs (verify steps), new_tokens and wall_time"
                    + " (seconds). A turn that leaves no room in the context is answered with ERROR, as by FastChat.",
            "A run that was broken off goes on where it was: questions that the output holds are not asked again. Answers under"
                    + " other options are refused; a line says in options what it was given with.",
            "",
            "Example:  hydra eval mtbench --questions question.jsonl --output answers/int8.jsonl --model packs/int8"
        })
final class MtBenchCommand implements Callable<Integer> {
    @Option(
            names = "--questions",
            paramLabel = "FILE",
            required = true,
            description = "The questions, a JSON object a line with question_id, category and turns.")
    Path questions = Path.of("");

    @Option(names = "--output", paramLabel = "FILE", required = true, description = "Where the answers go.")
    Path output = Path.of("");

    @Option(
            names = "--model-id",
            paramLabel = "NAME",
            description = "What the answers call the model. Default: its name.")
    @Nullable
    String modelId;

    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            defaultValue = "1024",
            description = "Most tokens of a turn. Default: ${DEFAULT-VALUE}.")
    int maxNewTokens;

    @Option(
            names = "--num-choices",
            paramLabel = "N",
            defaultValue = "1",
            description = "Answers to each question, each with a seed of its own. Default: ${DEFAULT-VALUE}.")
    int choices;

    @Option(
            names = "--question-begin",
            paramLabel = "N",
            description = "The first question to answer, counted from 0. Default: 0.")
    int begin;

    @Option(names = "--question-end", paramLabel = "N", description = "The question to stop before. Default: none.")
    @Nullable
    Integer end;

    @Option(
            names = "--acceptance",
            paramLabel = "RULE",
            defaultValue = "lossless",
            description = "Above temperature 0: lossless sampling, or typical (Medusa's, deterministic). Default:"
                    + " ${DEFAULT-VALUE}.")
    SamplingOptions.Acceptance acceptance = SamplingOptions.Acceptance.LOSSLESS;

    @Option(names = "--raw", description = "Use the turns as they are, without the model's chat template.")
    boolean raw;

    @Mixin
    ReportOptions printed = new ReportOptions();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    /** What the answers cost, those of earlier runs included. */
    record Result(String modelId, String output, List<MtBench.Line> categories) implements Report {
        @Override
        public String tables(Function<Table, String> style) {
            Table table = new Table(
                    "category", "questions", "turns", "failed", "new tokens", "steps", "tokens/step", "tokens/s");
            categories.forEach(line -> table.row(
                    line.category(),
                    String.valueOf(line.questions()),
                    String.valueOf(line.turns()),
                    String.valueOf(line.failed()),
                    String.valueOf(line.newTokens()),
                    String.valueOf(line.steps()),
                    line.steps() == 0 ? "" : Table.number(line.tokensPerStep(), 2),
                    line.steps() == 0 ? "" : Table.number(line.tokensPerSecond(), 1)));
            return style.apply(table);
        }
    }

    @Override
    public Integer call() throws IOException {
        if (maxNewTokens < 1 || choices < 1) {
            throw new IllegalArgumentException("--max-new-tokens and --num-choices must be at least 1");
        }
        List<MtBenchQuestion> asked = asked(MtBenchQuestion.read(questions));
        try (TextModel model = Models.load(modelOptions)) {
            String id = modelId == null ? model.name() : modelId;
            ModelAnswerer answerer = new ModelAnswerer(
                    model,
                    Models.speculation(model, modelOptions),
                    raw ? ModelAnswerer.Style.RAW : ModelAnswerer.Style.CHAT);
            try (MtBenchAnswers answers = MtBenchAnswers.open(output, id, options())) {
                Progress progress = new Progress("Answering");
                new MtBench(answerer, id, this::rule, choices, maxNewTokens, Answerer.Drafting.USUAL)
                        .run(asked, answers, done -> progress.count(done, asked.size(), "questions"));
                printed.print(new Result(id, output.toString(), MtBench.summary(asked, answers.all())));
            }
        }
        return 0;
    }

    /** What an answer depends on, beside the model and its question. */
    private Map<String, String> options() {
        Map<String, String> options = new LinkedHashMap<>();
        options.put("--max-new-tokens", String.valueOf(maxNewTokens));
        options.put("--num-choices", String.valueOf(choices));
        options.put("--acceptance", acceptance.name().toLowerCase(Locale.ROOT));
        options.put("--raw", String.valueOf(raw));
        options.put("--context", String.valueOf(modelOptions.context));
        return options;
    }

    private List<MtBenchQuestion> asked(List<MtBenchQuestion> all) {
        int stop = end == null ? all.size() : Math.min(end, all.size());
        if (begin < 0 || begin >= stop) {
            throw new IllegalArgumentException("there is no question from --question-begin " + begin + " to before "
                    + stop + ": " + questions + " has " + all.size());
        }
        return all.subList(begin, stop);
    }

    /** Seeded with the choice, as FastChat seeds; all of the distribution is sampled, without top-k or top-p. */
    private AcceptanceRule rule(double temperature, int choice) {
        if (temperature < AcceptanceRule.COLDEST) {
            return new AcceptanceRule.Greedy();
        }
        return acceptance == SamplingOptions.Acceptance.LOSSLESS
                ? new AcceptanceRule.Sampled(temperature, 0, 1, 0, choice)
                : new AcceptanceRule.Typical(
                        temperature, AcceptanceRule.Typical.DEFAULT_THRESHOLD, AcceptanceRule.Typical.DEFAULT_ALPHA);
    }
}
