package dev.hydrallm.evaluation;

import static dev.hydrallm.evaluation.PageParts.bars;
import static dev.hydrallm.evaluation.PageParts.cell;
import static dev.hydrallm.evaluation.PageParts.number;
import static dev.hydrallm.evaluation.PageParts.orNaN;
import static dev.hydrallm.evaluation.PageParts.spread;

import dev.hydrallm.charts.Page;
import dev.hydrallm.decoding.DraftTree;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import java.util.regex.Pattern;

/** All that was measured of several models, on one page that needs nothing else. */
public final class EvaluationPage {
    /** What cannot stand in XML 1.0, which model output can hold: control characters and halves of surrogate pairs. */
    private static final Pattern NO_MARKUP =
            Pattern.compile("[^\\t\\n\\r\\x20-\\x{D7FF}\\x{E000}-\\x{FFFD}\\x{10000}-\\x{10FFFF}]");

    private final List<ModelEvaluation> models;
    /** Those that could be opened: the others are in the overview and among the gaps only. */
    private final List<ModelEvaluation> opened;

    private final Page page = new Page("Models compared");

    private EvaluationPage(List<ModelEvaluation> models) {
        this.models = models;
        this.opened = models.stream()
                .filter(model -> model.profile().found().isPresent())
                .toList();
    }

    /**
     * The page as HTML.
     *
     * @param setting what everything was measured on and when, in a sentence
     * @param method how, a paragraph each
     * @param commands that measure it again
     */
    public static String html(
            List<ModelEvaluation> models, String setting, List<String> method, List<String> commands) {
        EvaluationPage page = new EvaluationPage(models);
        page.beginning(setting);
        page.overview();
        page.speed();
        CompressionSection.write(page.page, page.opened);
        ExpectationSections.foresight(page.page, page.opened);
        ExpectationSections.heads(page.page, page.opened);
        AnswerSections.quality(page.page, page.opened);
        page.sizes();
        page.trees();
        page.gaps();
        page.page.section("How it was measured");
        method.forEach(page.page::paragraph);
        page.page.code(String.join("\n", commands));
        return NO_MARKUP.matcher(page.page.html()).replaceAll("\uFFFD");
    }

    private void beginning(String setting) {
        page.note(setting);
        StringBuilder list = new StringBuilder("<ul class=\"headline\">\n");
        Headline.of(models)
                .forEach(sentence ->
                        list.append("<li>").append(Page.escaped(sentence)).append("</li>\n"));
        page.markup(list.append("</ul>\n").toString());
    }

    private void overview() {
        page.section("Overview");
        page.table(
                List.of(
                        "model",
                        "MB",
                        "bits a weight",
                        "heads",
                        "load s",
                        "perplexity",
                        "plain tokens/s",
                        "tokens/s",
                        "times plain",
                        "tokens/step"),
                models.stream()
                        .map(model -> List.of(
                                model.name(),
                                cell(model.profile(), profile -> number(profile.bytes() / 1e6, 1)),
                                cell(model.profile(), profile -> number(profile.bitsPerWeight(), 2)),
                                cell(model.profile(), EvaluationPage::headsOf),
                                cell(model.load(), load -> number(load.loaded().median(), 2)),
                                cell(
                                        model.foresight(),
                                        found -> number(found.perplexity().value(), 3)),
                                cell(model.plain(), line -> spread(line.tokensPerSecond())),
                                cell(model.usual(), line -> spread(line.tokensPerSecond())),
                                cell(model.usual(), line -> number(line.ratio().mean(), 2)),
                                cell(model.usual(), line -> number(line.tokensPerStep(), 2))))
                        .toList());
    }

    private static String headsOf(ModelEvaluation.Profile profile) {
        return profile.heads() == 0
                ? "0"
                : profile.heads() + (profile.forkedLayers() == 0 ? "" : " on " + profile.forkedLayers() + " layers");
    }

    private void speed() {
        if (opened.stream().allMatch(model -> model.speed().found().isEmpty())) {
            return;
        }
        page.section("Speed");
        page.charts(List.of(
                bars(
                        "Tokens a second",
                        "tokens/s",
                        List.of("plain", "with drafts"),
                        opened,
                        model -> speeds(model, line -> line.tokensPerSecond().mean()),
                        model -> Arrays.stream(speeds(
                                        model, line -> line.tokensPerSecond().deviation()))
                                .map(error -> Double.isNaN(error) ? 0 : error)
                                .toArray()),
                bars(
                        "Tokens a step, with drafts",
                        "tokens/step",
                        opened,
                        model -> model.drafted().map(SpeedBenchmark.Line::tokensPerStep))));
        List<List<String>> rows = new ArrayList<>();
        opened.forEach(model -> model.speed()
                .found()
                .ifPresent(lines -> lines.forEach(line -> rows.add(List.of(
                        model.name(),
                        line.tree(),
                        spread(line.tokensPerSecond()),
                        number(line.ratio().mean(), 2) + " ± "
                                + number(line.ratio().deviation(), 2),
                        number(line.tokensPerStep(), 2),
                        number(100 * line.overhead(), 1),
                        line.sameIds() ? "yes" : "no")))));
        page.table(
                List.of("model", "tree nodes", "tokens/s", "times plain", "tokens/step", "overhead %", "same tokens"),
                rows);
    }

    private static double[] speeds(ModelEvaluation model, Function<SpeedBenchmark.Line, Double> figure) {
        return new double[] {
            orNaN(model.plain().map(figure)), orNaN(model.drafted().map(figure))
        };
    }

    private void sizes() {
        if (opened.isEmpty()) {
            return;
        }
        page.section("Size and load");
        page.charts(List.of(
                bars("Weights", "MB", List.of("base", "for drafting"), opened, model -> new double[] {
                    megabytes(model, profile -> profile.bytes() - profile.draftBytes()),
                    megabytes(model, ModelEvaluation.Profile::draftBytes)
                }),
                bars(
                        "Until an engine is ready, from the page cache",
                        "s",
                        opened,
                        model -> model.load().found().map(load -> load.loaded().median()))));
        List<List<String>> rows = new ArrayList<>();
        opened.forEach(model -> model.profile()
                .found()
                .orElseThrow()
                .groups()
                .forEach(group -> rows.add(List.of(
                        model.name(),
                        group.group().name().toLowerCase(Locale.ROOT).replace('_', ' '),
                        group.format().toString(),
                        number(group.weights() / 1e6, 2),
                        number(group.bitsPerWeight(), 2),
                        number(group.bytes() / 1e6, 2)))));
        page.table(List.of("model", "group", "format", "million weights", "bits each", "MB"), rows);
        page.table(
                List.of("model", "load s", "verified GB/s", "of a plain read %", "peak MiB"),
                opened.stream()
                        .map(model -> List.of(
                                model.name(),
                                cell(model.load(), load -> spread(load.loaded())),
                                cell(
                                        model.load(),
                                        load -> number(load.verified().median(), 2)),
                                cell(
                                        model.load(),
                                        load -> number(100 * load.ofPlain().median(), 0)),
                                cell(model.load(), load -> number(load.peakMebibytes(), 0))))
                        .toList());
    }

    private static double megabytes(ModelEvaluation model, ToLongFunction<ModelEvaluation.Profile> bytes) {
        return orNaN(model.profile().found().map(profile -> bytes.applyAsLong(profile) / 1e6));
    }

    /** The trees, with edges as wide as heads that know nothing of each other would make them. */
    private void trees() {
        List<String> drawings = new ArrayList<>();
        for (ModelEvaluation model : models) {
            List<List<Integer>> paths =
                    model.profile().found().map(ModelEvaluation.Profile::tree).orElse(List.of());
            if (!paths.isEmpty()) {
                DraftTree tree = DraftTree.of(paths);
                drawings.add(TreeDrawing.svg(
                        tree,
                        path -> rate(model.heads(), path),
                        model.name(),
                        (tree.nodes() - 1) + " drafted nodes, depth " + tree.depth()));
            }
        }
        if (!drawings.isEmpty()) {
            page.section("Draft trees");
            PageParts.drawings(page, drawings);
            page.note(
                    "The wider an edge, the oftener it is accepted: the product of how often each head's guess of that rank"
                            + " is the base's choice, as if heads were right independently. All are thin where heads were not measured.");
        }
    }

    private static double rate(Part<HeadAccuracy> heads, List<Integer> path) {
        if (heads.found().isEmpty()) {
            return 0;
        }
        double product = 1;
        for (int depth = 0; depth < path.size(); depth++) {
            RankHits hits = heads.found().get().ofBase().get(depth);
            int rank = path.get(depth);
            product *= rank < hits.hits().size() && hits.asked() > 0
                    ? (double) hits.hits().get(rank) / hits.asked()
                    : 0;
        }
        return product;
    }

    /** What is missing and why: a reason that all models share is told once. */
    private void gaps() {
        Map<String, List<String>> reasons = new LinkedHashMap<>();
        for (ModelEvaluation model : models) {
            missing(model)
                    .forEach(reason -> reasons.computeIfAbsent(reason, each -> new ArrayList<>())
                            .add(model.name()));
        }
        if (!reasons.isEmpty()) {
            page.section("What is missing");
            StringBuilder list = new StringBuilder("<ul class=\"soft\">\n");
            reasons.forEach((reason, who) -> list.append("<li>")
                    .append(Page.escaped(
                            (who.size() == models.size() ? "all models" : String.join(", ", who)) + ": " + reason))
                    .append("</li>\n"));
            page.markup(list.append("</ul>\n").toString());
        }
    }

    /** Why what is missing of a model is missing; one that cannot be opened has but that one reason. */
    private static List<String> missing(ModelEvaluation model) {
        if (model.profile().missing().isPresent()) {
            return List.of(model.profile().missing().get());
        }
        Map<String, Part<?>> parts = new LinkedHashMap<>();
        parts.put("load", model.load());
        parts.put("foresight", model.foresight());
        parts.put("divergence", model.fidelity());
        parts.put("draft heads", model.heads());
        parts.put("speed", model.speed());
        parts.put("tokens per step", model.compression());
        model.quality().forEach((set, part) -> parts.put("answers to " + set, part));
        List<String> reasons = new ArrayList<>();
        parts.forEach((what, part) -> part.missing().ifPresent(reason -> reasons.add("no " + what + ", " + reason)));
        return reasons;
    }
}
