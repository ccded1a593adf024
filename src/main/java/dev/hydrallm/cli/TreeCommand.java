package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.evaluation.PromptSet;
import dev.hydrallm.evaluation.RankTrace;
import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.evaluation.TreeGrowth;
import dev.hydrallm.evaluation.TreeSearch;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "tree",
        sortOptions = false,
        description =
                "Grows a draft tree from what the heads were measured to guess: of a number of nodes, or the one that is fastest"
                        + " on this machine.",
        footer = {
            "",
            "The base writes on from every second prompt, and before each token is looked at which ranks the heads had for the"
                    + " tokens that came: that decides what any tree would have got accepted. Without --nodes what steps"
                    + " cost is measured too, and some trees are timed in turns on the other prompts: those that promise most,"
                    + " and larger ones, of whose nodes each step drafts those that pay (--speculation heads). The tree that"
                    + " is chosen is then timed as the program drafts it (--speculation adaptive), in turns with the heads"
                    + " alone, with those of --compare-with, which are drafted whole, and with plain decoding: the ratios"
                    + " within each pass say how much faster it is.",
            "",
            "Example:  hydra eval tree --svg tree.svg",
            "          hydra eval tree --model PACK --prompts prompts.json --write",
            "          hydra eval tree --nodes 64 --no-timing --output tree.json    (for --tree tree.json)"
        })
final class TreeCommand implements Callable<Integer> {
    /** How many steps of each size are measured for every repeat: a step is short, and its time varies more. */
    private static final int STEPS_PER_GENERATION = 4;

    @Mixin
    PromptOptions prompts = new PromptOptions();

    @Option(
            names = "--nodes",
            paramLabel = "N",
            description = "Nodes of the tree, its root included. Default: as many as are fastest here.")
    @Nullable
    Integer nodes;

    @Option(names = "--depth", paramLabel = "N", description = "Most heads that --nodes may use. Default: all.")
    @Nullable
    Integer depth;

    @Option(
            names = "--ranks",
            paramLabel = "N",
            defaultValue = "10",
            description = "Guesses of each head that a tree may use. Default: ${DEFAULT-VALUE}.")
    int ranks;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "128",
            description = "Written for each prompt. Default: ${DEFAULT-VALUE}.")
    int tokens;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            defaultValue = "0",
            description = "Of the texts, sampled with a fixed seed; 0 is greedy. Default: ${DEFAULT-VALUE}.")
    double temperature;

    @Option(
            names = "--compare-with",
            paramLabel = "N",
            split = ",",
            defaultValue = "2,4,8,16,63",
            description = "Times the first N paths of the tree that models without one of their own get, too. Default:"
                    + " ${DEFAULT-VALUE}.")
    List<Integer> compareWith = new ArrayList<>();

    @Option(
            names = "--candidates",
            paramLabel = "N",
            defaultValue = "4",
            description = "Trees that are timed to find the fastest. Default: ${DEFAULT-VALUE}.")
    int candidates;

    @Option(
            names = "--repeats",
            paramLabel = "N",
            defaultValue = "7",
            description =
                    "Passes over the prompts each time; single steps are measured four times as often. Default: ${DEFAULT-VALUE}.")
    int repeats;

    @Option(names = "--no-timing", description = "With --nodes: grow the tree and time nothing.")
    boolean noTiming;

    @Mixin
    TreeOutputs outputs = new TreeOutputs();

    @Mixin
    ModelOptions modelOptions = new ModelOptions();

    @Mixin
    ReportOptions printed = new ReportOptions();

    /** What is known of the model before its trees are timed. */
    private record Measured(Engine engine, List<RankTrace> traces, List<int[]> prompts, AcceptanceRule rule) {}

    @Override
    public Integer call() throws IOException {
        checkNumbers();
        outputs.prepare(modelOptions);
        AcceptanceRule rule = CompressionCommand.rule(temperature);
        List<PromptSet> sets = prompts.sets();
        try (PackedModel pack = Models.openWithHeads(modelOptions)) {
            checkShape(pack);
            outputs.check(pack);
            TreeReport report;
            List<RankTrace> traces;
            try (Tokenizer tokenizer = TextModel.tokenizerOf(pack);
                    Engine engine = Models.engine(pack, modelOptions, 1)) {
                ChatTemplate template = ChatTemplate.of(pack.manifest().chatTemplate(), tokenizer);
                List<int[]> all = sets.stream()
                        .flatMap(set -> set.openings(tokenizer, template).stream())
                        .filter(prompt -> prompt.length < engine.limits().contextLength() - 1)
                        .toList();
                if (all.isEmpty()) {
                    throw new IllegalArgumentException("every prompt is as long as the context of "
                            + engine.limits().contextLength() + " tokens");
                }
                traces = traces(
                        engine,
                        everySecond(all, 0),
                        rule,
                        Set.copyOf(pack.manifest().eosIds()));
                List<int[]> others = all.size() == 1 ? all : everySecond(all, 1);
                report = search(pack, new Measured(engine, traces, others, rule));
            }
            printed.print(report);
            outputs.keep(pack, report, traces, ranks);
        }
        return 0;
    }

    private void checkNumbers() {
        if (tokens < 2 || repeats < 1 || candidates < 1) {
            throw new IllegalArgumentException(
                    "--tokens must be at least 2, --repeats and --candidates at least 1, not " + tokens + ", " + repeats
                            + " and " + candidates);
        }
        if (ranks < 1 || ranks > NamedTrees.HIGHEST_RANK + 1) {
            throw new IllegalArgumentException(
                    "--ranks must be within 1 and " + (NamedTrees.HIGHEST_RANK + 1) + ", not " + ranks);
        }
        compareWith.forEach(paths -> {
            if (paths < 1) {
                throw new IllegalArgumentException("--compare-with takes numbers of paths from 1 on, not " + paths);
            }
        });
        int most = EngineOptions.DEFAULT.maxNodes();
        if (nodes != null && (nodes < 2 || nodes > most)) {
            throw new IllegalArgumentException(
                    "--nodes must be within 2 and " + most + ", which is all that one step verifies, not " + nodes);
        }
        if (nodes == null && (depth != null || noTiming)) {
            throw new IllegalArgumentException("--depth and --no-timing go with --nodes only");
        }
    }

    private void checkShape(PackedModel pack) {
        int heads = pack.draft().heads();
        if (depth != null && (depth < 1 || depth > heads)) {
            throw new IllegalArgumentException(
                    "--depth must be within 1 and the model's " + heads + " draft heads, not " + depth);
        }
        if (ranks > pack.architecture().vocabSize()) {
            throw new IllegalArgumentException("--ranks " + ranks + " is more than the vocabulary of "
                    + pack.architecture().vocabSize() + " tokens");
        }
        double most = IntStream.rangeClosed(0, depth == null ? heads : depth)
                .mapToDouble(level -> Math.pow(ranks, level))
                .sum();
        if (nodes != null && nodes > most) {
            throw new IllegalArgumentException(String.format(
                    "a tree of depth %d with %d guesses of each head has at most %.0f nodes, not %d: give more --ranks",
                    depth == null ? heads : depth, ranks, most, nodes));
        }
    }

    private static List<int[]> everySecond(List<int[]> prompts, int from) {
        return IntStream.range(0, prompts.size())
                .filter(i -> i % 2 == from)
                .mapToObj(prompts::get)
                .toList();
    }

    private List<RankTrace> traces(Engine engine, List<int[]> prompts, AcceptanceRule rule, Set<Integer> ends) {
        Progress progress = new Progress("Writing");
        List<RankTrace> traces = new ArrayList<>();
        for (int[] prompt : prompts) {
            traces.add(RankTrace.of(engine, prompt, rule, ends, tokens, ranks));
            progress.count(traces.size(), prompts.size(), "texts");
        }
        return traces;
    }

    private TreeReport search(PackedModel pack, Measured measured) {
        List<DraftTree> grown = nodes == null ? promising(measured) : List.of(grown(pack, measured.traces, nodes));
        TreeTiming timing =
                new TreeTiming(new SpeedBenchmark(measured.engine, measured.prompts, measured.rule, tokens, repeats));
        DraftTree chosen = grown.getFirst();
        List<TreeReport.Line> choice = List.of();
        if (grown.size() > 1) {
            choice = timing.run(
                    "Choosing",
                    grown.stream()
                            .map(tree -> TreeTiming.Timed.ofHeads(tree, TreeReport.Role.GROWN))
                            .toList());
            TreeReport.Line fastest = TreeReport.fastest(choice.subList(1, choice.size()));
            chosen = grown.get(choice.indexOf(fastest) - 1);
        }
        // What won by luck does not win again: the choice is judged by passes of its own.
        List<TreeReport.Line> timed = noTiming ? List.of() : timing.run("Timing", besides(pack, chosen));
        return new TreeReport(
                Models.label(pack),
                Models.threads(pack, modelOptions),
                temperature,
                chosen.nodes(),
                chosen.depth(),
                chosen.paths(),
                RankTrace.tokensPerStep(measured.traces, chosen),
                choice,
                timed,
                TreeReport.against(timed));
    }

    /** The chosen tree and those that it is compared with. */
    private List<TreeTiming.Timed> besides(PackedModel pack, DraftTree chosen) {
        List<TreeTiming.Timed> trees = new ArrayList<>();
        trees.add(TreeTiming.Timed.asUsual(chosen, TreeReport.Role.CHOSEN));
        trees.add(TreeTiming.Timed.ofHeads(chosen, TreeReport.Role.GROWN));
        trees.add(TreeTiming.Timed.whole("the same, whole", TreeReport.Role.GROWN, chosen));
        DraftTree usual = TextModel.treeOf(
                pack, Optional.of(NamedTrees.defaultFor(pack.draft().heads())));
        for (int paths : compareWith) {
            trees.add(TreeTiming.Timed.whole(
                    "first " + paths + " paths", TreeReport.Role.COMPARED, usual.first(paths + 1)));
        }
        return trees;
    }

    private DraftTree grown(PackedModel pack, List<RankTrace> traces, int size) {
        return DraftTree.of(
                TreeGrowth.forTraces(traces, size, depth == null ? pack.draft().heads() : depth, ranks));
    }

    private List<DraftTree> promising(Measured measured) {
        Progress progress = new Progress("Measuring steps");
        int all = TreeSearch.measurements(measured.engine.limits());
        return TreeSearch.on(
                        measured.engine,
                        measured.traces,
                        ranks,
                        STEPS_PER_GENERATION * repeats,
                        done -> progress.count(done, all, "sizes and depths"))
                .worthTiming(candidates);
    }
}
