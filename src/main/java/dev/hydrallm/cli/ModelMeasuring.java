package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.evaluation.AnswerQuality;
import dev.hydrallm.evaluation.Compression;
import dev.hydrallm.evaluation.FreeMemory;
import dev.hydrallm.evaluation.HeadAccuracy;
import dev.hydrallm.evaluation.LoadBenchmark;
import dev.hydrallm.evaluation.LoadBenchmark.Cache;
import dev.hydrallm.evaluation.ModelComparison;
import dev.hydrallm.evaluation.ModelEvaluation;
import dev.hydrallm.evaluation.ModelEvaluation.Foresight;
import dev.hydrallm.evaluation.ModelEvaluation.Profile;
import dev.hydrallm.evaluation.Part;
import dev.hydrallm.evaluation.PromptSet;
import dev.hydrallm.evaluation.ReferenceSet;
import dev.hydrallm.evaluation.SpeedBenchmark;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.serving.TextModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Measures models part by part; what one part throws is its gap and keeps no other part from being measured. Ended early, it has
 * gaps for what was not measured to its end.
 */
final class ModelMeasuring {
    private final AllCommand command;
    private final @Nullable TextMeasuring text;
    private final List<ReferenceSet> sets;
    private final Parts parts;

    /**
     * Measures what a command says.
     *
     * @param text the content of the command's text; null when there is none
     * @param ended whether it is to come to an end
     */
    ModelMeasuring(AllCommand command, @Nullable String text, List<ReferenceSet> sets, BooleanSupplier ended) {
        this.command = command;
        this.sets = sets;
        this.parts = new Parts(ended);
        this.text = text == null || command.text == null
                ? null
                : new TextMeasuring(command.text, text, command.windows, parts);
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
        if (parts.ended()) {
            return unmeasured(source, unique(source, source, names), Parts.ENDED);
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
        Part<LoadBenchmark.Line> load = parts.of(() -> load(name, options, directory));
        Part<Foresight> foresight = withText(of -> of.foresight(name, options));
        Part<ModelComparison> fidelity = options == first
                ? Parts.gap("the others are compared with it")
                : withText(of -> of.fidelity(name, first, options));
        Part<HeadAccuracy> heads =
                profile.heads() == 0 ? Parts.gap("it has no draft heads") : withText(of -> of.heads(name, options));
        Part<List<SpeedBenchmark.Line>> speed = parts.of(() -> speed(name, options));
        Part<Map<String, Compression>> compression =
                profile.heads() == 0 ? Parts.gap("it has no draft heads") : parts.of(() -> compression(name, options));
        return new ModelEvaluation(
                name, source, made, load, foresight, fidelity, heads, speed, compression, answers(name, options));
    }

    private ModelEvaluation unmeasured(String source, String name, String why) {
        return new ModelEvaluation(
                name,
                source,
                Parts.gap(why),
                Parts.gap(why),
                Parts.gap(why),
                Parts.gap(why),
                Parts.gap(why),
                Parts.gap(why),
                Parts.gap(why),
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

    private <T> Part<T> withText(Function<TextMeasuring, T> work) {
        @Nullable TextMeasuring given = text;
        return given == null ? Parts.gap("no --text was given") : parts.of(() -> work.apply(given));
    }

    private LoadBenchmark.Line load(String name, ModelOptions options, Path directory) throws IOException {
        return new LoadBenchmark(
                        directory, options.load.options(), FreeMemory.TOUCHED, pack -> Models.engine(pack, options, 1))
                .run(Cache.WARM, command.repeats, parts.counting("Loading " + name, command.repeats, "loads"));
    }

    /** Plain decoding, then as the model usually drafts, then its whole tree where that is something else. */
    private List<SpeedBenchmark.Line> speed(String name, ModelOptions options) throws IOException {
        try (PackedModel pack = Models.open(options);
                Tokenizer tokenizer = TextModel.tokenizerOf(pack);
                Engine engine = Models.engine(pack, options, 1)) {
            Speculation usual = Models.drafting(pack, options);
            List<Speculation> ways = new ArrayList<>();
            if (usual.drafts()) {
                ways.add(usual);
            }
            if (usual.tree().depth() > 0 && usual.extent() != Speculation.Extent.WHOLE) {
                ways.add(Speculation.whole(usual.tree()));
            }
            SpeedBenchmark benchmark = new SpeedBenchmark(
                    engine,
                    BenchCommand.prompts(command.promptFiles, tokenizer),
                    new AcceptanceRule.Greedy(),
                    command.tokens,
                    command.repeats);
            return benchmark.run(ways, parts.counting("Timing " + name, benchmark.passes(ways.size()), "passes"));
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
            IntConsumer done = parts.counting("Writing with " + name, all, "prompts");
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
        sets.forEach(set -> missing.put(set.name(), Parts.gap(why)));
        return missing;
    }

    private Map<String, Part<AnswerQuality>> answers(String name, ModelOptions options) {
        if (sets.isEmpty()) {
            return Map.of();
        }
        if (parts.ended()) {
            return answersMissing(Parts.ENDED);
        }
        Map<String, Part<AnswerQuality>> qualities = new LinkedHashMap<>();
        try (TextModel model = Models.load(options)) {
            ModelAnswerer answerer =
                    new ModelAnswerer(model, Models.speculation(model, options), command.answers.style());
            for (ReferenceSet set : sets) {
                qualities.put(
                        set.name(),
                        parts.of(() -> AnswerQuality.of(
                                answerer,
                                set,
                                command.answers.maxNewTokens,
                                AnswerQuality.Check.DRAFTS,
                                parts.counting(
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
