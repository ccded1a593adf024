package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.evaluation.Compression;
import dev.hydrallm.evaluation.PromptSet;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "compression",
        sortOptions = false,
        description =
                "Measures how many tokens a step writes, by set of prompts and temperature: new tokens ÷ steps of the base.",
        footer = {
            "",
            "Each step drafts the whole tree, unless --speculation says otherwise. The column as Medusa counts it is new tokens ÷"
                    + " (steps - 1) of each text. Columns of accepted drafts are shares of the steps.",
            "",
            "Example:  hydra eval compression",
            "          hydra eval compression --model PACK --prompts mt_bench_question.jsonl --temperature 0,0.7"
        })
final class CompressionCommand implements Callable<Integer> {
    private static final long SEED = 7;

    @Mixin
    PromptOptions prompts = new PromptOptions();

    @Option(
            names = "--temperature",
            paramLabel = "T",
            split = ",",
            defaultValue = "0",
            description = "One or several, between commas; 0 is greedy, others sample with a fixed seed. Default:"
                    + " ${DEFAULT-VALUE}.")
    List<Double> temperatures = new ArrayList<>();

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "128",
            description = "Most tokens of an answer. Default: ${DEFAULT-VALUE}.")
    int maxTokens;

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @Mixin
    ReportOptions printed = new ReportOptions();

    /**
     * One set at one temperature.
     *
     * @param texts answers
     * @param tooLong turns that left no room in the context, left out
     * @param accepted steps by how many drafts they accepted, from none on
     */
    record Line(
            String set,
            double temperature,
            int texts,
            int tooLong,
            long tokens,
            long steps,
            double tokensPerStep,
            double asMedusaCounts,
            List<Long> accepted) {
        static Line of(String set, double temperature, Compression measured) {
            return new Line(
                    set,
                    temperature,
                    measured.texts(),
                    measured.tooLong(),
                    measured.tokens(),
                    measured.steps(),
                    measured.tokensPerStep(),
                    measured.asMedusaCounts(),
                    measured.accepted());
        }
    }

    /**
     * What was measured.
     *
     * @param nodes of the draft tree, its root included
     * @param context most tokens of prompt and answer
     */
    record Result(String model, int nodes, int context, int maxTokens, List<Line> sets) implements Report {
        @Override
        public String tables(Function<Table, String> style) {
            int depth = sets.getFirst().accepted.size();
            Table table = new Table(Stream.concat(
                            Stream.of(
                                    "set",
                                    "temperature",
                                    "texts",
                                    "tokens",
                                    "steps",
                                    "tokens/step",
                                    "as Medusa counts"),
                            IntStream.range(0, depth).mapToObj(length -> "accepted " + length + " %"))
                    .toArray(String[]::new));
            for (Line line : sets) {
                List<String> cells = new ArrayList<>(List.of(
                        line.set,
                        String.valueOf(line.temperature),
                        String.valueOf(line.texts),
                        String.valueOf(line.tokens),
                        String.valueOf(line.steps),
                        line.steps == 0 ? "" : Table.number(line.tokensPerStep, 2),
                        Double.isFinite(line.asMedusaCounts) ? Table.number(line.asMedusaCounts, 2) : ""));
                line.accepted.forEach(
                        count -> cells.add(line.steps == 0 ? "" : Table.number(100.0 * count / line.steps, 1)));
                table.row(cells.toArray(String[]::new));
            }
            StringBuilder text = new StringBuilder(String.format(
                    "%s: a tree of %d nodes, at most %d tokens a text%n%n%s",
                    model, nodes, maxTokens, style.apply(table)));
            for (Line line : sets) {
                if (line.tooLong > 0) {
                    text.append(String.format(
                            "%n%s: %d turn(s) left no room in the context of %d tokens and were left out%n",
                            line.set, line.tooLong, context));
                }
            }
            return text.toString();
        }
    }

    @Override
    public Integer call() throws IOException {
        if (maxTokens < 1) {
            throw new IllegalArgumentException("--max-tokens must be at least 1, not " + maxTokens);
        }
        List<AcceptanceRule> rules =
                temperatures.stream().map(CompressionCommand::rule).toList();
        List<PromptSet> sets = prompts.sets();
        try (PackedModel pack = Models.open(modelOptions);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack);
                Engine engine = Models.engine(pack, modelOptions, 1)) {
            Speculation speculation = speculation(pack);
            ChatTemplate template = ChatTemplate.of(pack.manifest().chatTemplate(), tokenizer);
            Compression.Benchmark benchmark = new Compression.Benchmark(
                    engine, tokenizer, template, Set.copyOf(pack.manifest().eosIds()), maxTokens);
            Progress progress = new Progress("Writing");
            int all = rules.size()
                    * sets.stream().mapToInt(set -> set.prompts().size()).sum();
            int[] done = {0};
            List<Line> lines = new ArrayList<>();
            for (PromptSet set : sets) {
                for (int i = 0; i < rules.size(); i++) {
                    Compression measured = benchmark.run(
                            set, speculation, rules.get(i), () -> progress.count(++done[0], all, "prompts"));
                    lines.add(Line.of(set.name(), temperatures.get(i), measured));
                }
            }
            int context = engine.limits().contextLength();
            if (lines.stream().allMatch(line -> line.texts == 0)) {
                throw new IllegalArgumentException(
                        "nothing was measured: no prompt leaves room for an answer in the context of " + context
                                + " tokens: give shorter prompts, or a longer --context if the model has one");
            }
            printed.print(new Result(Models.label(pack), speculation.tree().nodes(), context, maxTokens, lines));
        }
        return 0;
    }

    private Speculation speculation(PackedModel pack) {
        if (modelOptions.noSpeculation) {
            return Speculation.NONE;
        }
        Speculation usual = Models.drafting(pack, modelOptions);
        return modelOptions.speculation == null ? Speculation.whole(usual.tree()) : usual;
    }

    static AcceptanceRule rule(double temperature) {
        return temperature == 0 ? new AcceptanceRule.Greedy() : new AcceptanceRule.Sampled(temperature, 0, 1, 0, SEED);
    }
}
