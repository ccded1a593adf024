package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.evaluation.AnswerQuality;
import dev.hydrallm.evaluation.Compression;
import dev.hydrallm.evaluation.DraftReader;
import dev.hydrallm.evaluation.HeadAccuracy;
import dev.hydrallm.evaluation.LoadBenchmark;
import dev.hydrallm.evaluation.LoadBenchmark.Cache;
import dev.hydrallm.evaluation.ModelComparison;
import dev.hydrallm.evaluation.ModelEvaluation;
import dev.hydrallm.evaluation.ModelEvaluation.Foresight;
import dev.hydrallm.evaluation.ModelEvaluation.Profile;
import dev.hydrallm.evaluation.Part;
import dev.hydrallm.evaluation.Perplexity;
import dev.hydrallm.evaluation.PromptSet;
import dev.hydrallm.evaluation.ReferenceSet;
import dev.hydrallm.evaluation.Scorer;
import dev.hydrallm.evaluation.SlidingWindows;
import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Measures models part by part; what one part throws is its gap and keeps no other part from being measured. Ended early, it has
 * gaps for what was not measured to its end.
 */
final class ModelMeasuring {
    private static final int RANKS = 10;
    private static final String ENDED = "the command was ended before";

    private final AllCommand command;
    private final @Nullable String text;
    private final List<ReferenceSet> sets;
    private final BooleanSupplier ended;

    /**
     * Measures what a command says.
     *
     * @param text the content of the command's text; null when there is none
     * @param ended whether it is to come to an end
     */
    ModelMeasuring(AllCommand command, @Nullable String text, List<ReferenceSet> sets, BooleanSupplier ended) {
        this.command = command;
        this.text = text;
        this.sets = sets;
        this.ended = ended;
    }

    /** A part's work. */
    @FunctionalInterface
    private interface Work<T> {
        T measure() throws IOException;
    }

    /** Leaves a part that takes long. */
    private static final class Ended extends RuntimeException {
        private static final long serialVersionUID = 1;

        Ended() {
            super(ENDED, null, false, false);
        }
    }

    private <T> Part<T> part(Work<T> work) {
        if (ended.getAsBoolean()) {
            return gap(ENDED);
        }
        try {
            return new Part.Measured<>(work.measure());
        } catch (IOException | RuntimeException e) {
            return new Part.Gap<>(Cli.oneLine(e));
        }
    }

    private static <T> Part<T> gap(String reason) {
        return new Part.Gap<>(reason);
    }

    /** Shows how far a part is, and leaves it when the command is to end. */
    private IntConsumer counting(String what, int all, String units) {
        Progress progress = new Progress(what);
        return done -> {
            progress.count(done, all, units);
            if (ended.getAsBoolean()) {
                throw new Ended();
            }
        };
    }

    /** Measures one after the other. */
    List<ModelEvaluation> all(List<ModelOptions> models) {
        List<String> names = new ArrayList<>();
        List<ModelEvaluation> measured = new ArrayList<>();
        for (ModelOptions options : models) {
            measured.add(measure(options, models.getFirst(), names));
        }
        return measured;
    }

    private ModelEvaluation measure(ModelOptions options, ModelOptions first, List<String> names) {
        String source = options.model == null ? "" : options.model.toString();
        String label;
        Profile profile;
        Path directory;
        if (ended.getAsBoolean()) {
            return unmeasured(source, unique(source, source, names), ENDED);
        }
        try (PackedModel pack = Models.check(options)) {
            label = Models.label(pack);
            profile = Profile.of(
                    pack.manifest(), Models.drafting(pack, options).tree().paths());
            directory = pack.directory();
            Models.loadNatives(pack, options);
        } catch (RuntimeException e) {
            return unmeasured(source, unique(source, source, names), "it cannot be opened: " + Cli.oneLine(e));
        }
        String name = unique(label, source, names);
        Part<Profile> made = new Part.Measured<>(profile);
        Part<LoadBenchmark.Line> load = part(() -> load(name, options, directory));
        Part<Foresight> foresight = withText(() -> foresight(name, options));
        Part<ModelComparison> fidelity = options == first
                ? gap("the others are compared with it")
                : withText(() -> fidelity(name, first, options));
        Part<HeadAccuracy> heads =
                profile.heads() == 0 ? gap("it has no draft heads") : withText(() -> heads(name, options));
        Part<List<SpeedBenchmark.Line>> speed = part(() -> speed(name, options));
        Part<Map<String, Compression>> compression =
                profile.heads() == 0 ? gap("it has no draft heads") : part(() -> compression(name, options));
        return new ModelEvaluation(
                name, source, made, load, foresight, fidelity, heads, speed, compression, answers(name, options));
    }

    private ModelEvaluation unmeasured(String source, String name, String why) {
        return new ModelEvaluation(
                name,
                source,
                gap(why),
                gap(why),
                gap(why),
                gap(why),
                gap(why),
                gap(why),
                gap(why),
                answersMissing(why));
    }

    /** A name that no model before has. */
    private static String unique(String label, String source, List<String> names) {
        String folder = Objects.toString(Path.of(source).getFileName(), "");
        String name = names.contains(label) && !folder.isEmpty() ? label + " (" + folder + ")" : label;
        String numbered = name;
        for (int number = 2; names.contains(numbered); number++) {
            numbered = name + " #" + number;
        }
        names.add(numbered);
        return numbered;
    }

    private <T> Part<T> withText(Work<T> work) {
        return text == null ? gap("no --text was given") : part(work);
    }

    private LoadBenchmark.Line load(String name, ModelOptions options, Path directory) throws IOException {
        return new LoadBenchmark(directory, options.load.options(), pack -> Models.engine(pack, options, 1))
                .run(Cache.WARM, command.repeats, counting("Loading " + name, command.repeats, "loads"));
    }

    private Foresight foresight(String name, ModelOptions options) {
        String content = Objects.requireNonNull(text);
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack)) {
            SlidingWindows windows = command.windows.of(Models.context(pack, options));
            int[] tokens = EvaluationOptions.tokens(textFile(), content, tokenizer);
            try (Scorer scorer = Models.scorer(pack, options, windows.sizeFor(tokens.length))) {
                Perplexity perplexity = Perplexity.of(
                        scorer, tokens, windows, counting("Scoring " + name, tokens.length - 1, "tokens"));
                return Foresight.of(perplexity, content.getBytes(StandardCharsets.UTF_8).length);
            }
        }
    }

    private ModelComparison fidelity(String name, ModelOptions first, ModelOptions options) {
        try (PackedModel a = Models.open(first);
                PackedModel b = Models.open(options)) {
            int[] tokens =
                    new SharedTokens(named(first), named(options)).of(textFile(), Objects.requireNonNull(text), a, b);
            SlidingWindows windows = command.windows.of(Math.min(Models.context(a, first), Models.context(b, options)));
            int longest = windows.sizeFor(tokens.length);
            try (Scorer ofA = Models.scorer(a, first, longest);
                    Scorer ofB = Models.scorer(b, options, longest)) {
                return ModelComparison.of(
                        ofA, ofB, tokens, windows, counting("Comparing " + name, tokens.length - 1, "tokens"));
            }
        }
    }

    private static Path named(ModelOptions options) {
        return options.model == null ? Models.demo() : options.model;
    }

    private Path textFile() {
        return Objects.requireNonNull(command.text);
    }

    private HeadAccuracy heads(String name, ModelOptions options) {
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack)) {
            SlidingWindows windows = command.windows.of(Models.context(pack, options));
            int[] tokens = EvaluationOptions.tokens(textFile(), Objects.requireNonNull(text), tokenizer);
            try (DraftReader reader = Models.draftReader(pack, options, windows.sizeFor(tokens.length))) {
                return HeadAccuracy.of(
                        reader,
                        List.of(HeadAccuracy.Text.whole(tokens)),
                        windows,
                        RANKS,
                        counting("Asking heads of " + name, tokens.length - 1, "tokens"));
            }
        }
    }

    /** Plain decoding, then as the model usually drafts, then its whole tree where that is something else. */
    private List<SpeedBenchmark.Line> speed(String name, ModelOptions options) throws IOException {
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack);
                Engine engine = Models.engine(pack, options, 1)) {
            Speculation usual = Models.drafting(pack, options);
            List<Speculation> ways = new ArrayList<>();
            if (usual.tree().depth() > 0) {
                ways.add(usual);
                if (usual.extent() == Speculation.Extent.ADAPTIVE) {
                    ways.add(Speculation.whole(usual.tree()));
                }
            }
            SpeedBenchmark benchmark = new SpeedBenchmark(
                    engine,
                    BenchCommand.prompts(command.promptFiles, tokenizer),
                    new AcceptanceRule.Greedy(),
                    command.tokens,
                    command.repeats);
            return benchmark.run(ways, counting("Timing " + name, benchmark.passes(ways.size()), "passes"));
        }
    }

    /** Tokens per step of the whole tree, of the program's own beginnings of Python files and of the sets. */
    private Map<String, Compression> compression(String name, ModelOptions options) {
        List<PromptSet> prompts = new ArrayList<>(List.of(PromptSet.python()));
        sets.forEach(set -> prompts.add(set.asked()));
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack);
                Engine engine = Models.engine(pack, options, 1)) {
            Compression.Benchmark benchmark = new Compression.Benchmark(
                    engine,
                    tokenizer,
                    ChatTemplate.of(
                            command.answers.raw
                                    ? ChatTemplate.RAW
                                    : pack.manifest().chatTemplate(),
                            tokenizer),
                    Set.copyOf(pack.manifest().eosIds()),
                    command.answers.maxNewTokens);
            Speculation whole = Speculation.whole(Models.drafting(pack, options).tree());
            int all = prompts.stream().mapToInt(set -> set.prompts().size()).sum();
            IntConsumer done = counting("Writing with " + name, all, "prompts");
            int[] written = {0};
            Map<String, Compression> measured = new LinkedHashMap<>();
            for (PromptSet set : prompts) {
                measured.put(
                        set.name(),
                        benchmark.run(set, whole, new AcceptanceRule.Greedy(), () -> done.accept(++written[0])));
            }
            return measured;
        }
    }

    private Map<String, Part<AnswerQuality>> answersMissing(String why) {
        Map<String, Part<AnswerQuality>> missing = new LinkedHashMap<>();
        sets.forEach(set -> missing.put(set.name(), gap(why)));
        return missing;
    }

    private Map<String, Part<AnswerQuality>> answers(String name, ModelOptions options) {
        if (sets.isEmpty()) {
            return Map.of();
        }
        if (ended.getAsBoolean()) {
            return answersMissing(ENDED);
        }
        Map<String, Part<AnswerQuality>> qualities = new LinkedHashMap<>();
        try (TextModel model = Models.load(options)) {
            ModelAnswerer answerer =
                    new ModelAnswerer(model, Models.speculation(model, options), command.answers.style());
            for (ReferenceSet set : sets) {
                qualities.put(
                        set.name(),
                        part(() -> AnswerQuality.of(
                                answerer,
                                set,
                                command.answers.maxNewTokens,
                                AnswerQuality.Check.DRAFTS,
                                counting(
                                        name + " answers " + set.name(),
                                        set.prompts().size(),
                                        "prompts"))));
            }
        } catch (RuntimeException e) {
            return answersMissing(Cli.oneLine(e));
        }
        return qualities;
    }
}
