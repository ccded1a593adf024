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
import org.jspecify.annotations.Nullable;

/** Measures models part by part; what one part throws is its gap and keeps no other part from being measured. */
final class ModelMeasuring {
    private static final int RANKS = 10;

    private final AllCommand command;
    private final @Nullable String text;
    private final List<ReferenceSet> sets;

    /** @param text the content of the command's text; null when there is none */
    ModelMeasuring(AllCommand command, @Nullable String text, List<ReferenceSet> sets) {
        this.command = command;
        this.text = text;
        this.sets = sets;
    }

    /** A part's work. */
    @FunctionalInterface
    private interface Work<T> {
        T measure() throws IOException;
    }

    private static <T> Part<T> part(Work<T> work) {
        try {
            return new Part.Measured<>(work.measure());
        } catch (IOException | RuntimeException e) {
            return new Part.Gap<>(Cli.oneLine(e));
        }
    }

    private static <T> Part<T> gap(String reason) {
        return new Part.Gap<>(reason);
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
        try (PackedModel pack = Models.check(options)) {
            label = Models.label(pack);
            profile = Profile.of(
                    pack.manifest(), Models.drafting(pack, options).tree().paths());
            directory = pack.directory();
            Models.loadNatives(pack, options);
        } catch (RuntimeException e) {
            return unopened(source, unique(source, source, names), Cli.oneLine(e));
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

    private ModelEvaluation unopened(String source, String name, String reason) {
        String why = "it cannot be opened: " + reason;
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
        Progress progress = new Progress("Loading " + name);
        return new LoadBenchmark(
                        directory,
                        options.load.options(),
                        LoadBenchmark.FreeMemory.AS_IS,
                        pack -> Models.engine(pack, options, 1))
                .run(Cache.WARM, command.repeats, done -> progress.count(done, command.repeats, "loads"));
    }

    private Foresight foresight(String name, ModelOptions options) {
        String content = Objects.requireNonNull(text);
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack)) {
            SlidingWindows windows = command.windows.of(Models.context(pack, options));
            int[] tokens = EvaluationOptions.tokens(textFile(), content, tokenizer);
            try (Scorer scorer = Models.scorer(pack, options, windows.sizeFor(tokens.length))) {
                Progress progress = new Progress("Scoring " + name);
                Perplexity perplexity = Perplexity.of(
                        scorer, tokens, windows, done -> progress.count(done, tokens.length - 1, "tokens"));
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
                Progress progress = new Progress("Comparing " + name);
                return ModelComparison.of(
                        ofA, ofB, tokens, windows, done -> progress.count(done, tokens.length - 1, "tokens"));
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
                Progress progress = new Progress("Asking heads of " + name);
                return HeadAccuracy.of(
                        reader,
                        List.of(HeadAccuracy.Text.whole(tokens)),
                        windows,
                        RANKS,
                        done -> progress.count(done, tokens.length - 1, "tokens"));
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
            Progress progress = new Progress("Timing " + name);
            progress.count(0, 1, "models");
            List<SpeedBenchmark.Line> lines = new SpeedBenchmark(
                            engine,
                            BenchCommand.prompts(command.promptFiles, tokenizer),
                            new AcceptanceRule.Greedy(),
                            command.tokens,
                            command.repeats)
                    .run(ways);
            progress.count(1, 1, "models");
            return lines;
        }
    }

    /** Tokens per step of the whole tree, of the program's own beginnings of Python files and of the sets. */
    private Map<String, Compression> compression(String name, ModelOptions options) throws IOException {
        List<PromptSet> prompts = new ArrayList<>(List.of(PromptSet.python()));
        for (Path file : command.sets) {
            prompts.add(PromptSet.read(file));
        }
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack);
                Engine engine = Models.engine(pack, options, 1)) {
            Compression.Benchmark benchmark = new Compression.Benchmark(
                    engine,
                    tokenizer,
                    ChatTemplate.of(
                            command.raw ? ChatTemplate.RAW : pack.manifest().chatTemplate(), tokenizer),
                    Set.copyOf(pack.manifest().eosIds()),
                    command.maxNewTokens);
            Speculation whole = Speculation.whole(Models.drafting(pack, options).tree());
            Progress progress = new Progress("Writing with " + name);
            int all = prompts.stream().mapToInt(set -> set.prompts().size()).sum();
            int[] done = {0};
            Map<String, Compression> measured = new LinkedHashMap<>();
            for (PromptSet set : prompts) {
                measured.put(
                        set.name(),
                        benchmark.run(
                                set,
                                whole,
                                new AcceptanceRule.Greedy(),
                                () -> progress.count(++done[0], all, "prompts")));
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
        Map<String, Part<AnswerQuality>> qualities = new LinkedHashMap<>();
        try (TextModel model = Models.load(options)) {
            ModelAnswerer answerer = new ModelAnswerer(
                    model,
                    Models.speculation(model, options),
                    command.raw ? ModelAnswerer.Style.RAW : ModelAnswerer.Style.CHAT);
            for (ReferenceSet set : sets) {
                Progress progress = new Progress(name + " answers " + set.name());
                qualities.put(
                        set.name(),
                        part(() -> AnswerQuality.of(
                                answerer,
                                set,
                                command.maxNewTokens,
                                AnswerQuality.Check.DRAFTS,
                                done -> progress.count(done, set.prompts().size(), "prompts"))));
            }
        } catch (RuntimeException e) {
            return answersMissing(Cli.oneLine(e));
        }
        return qualities;
    }
}
