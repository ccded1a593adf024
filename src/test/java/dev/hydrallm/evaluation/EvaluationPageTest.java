package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.evaluation.AnswerQuality.DraftCheck;
import dev.hydrallm.evaluation.AnswerQuality.Scored;
import dev.hydrallm.evaluation.ModelComparison.Divergence;
import dev.hydrallm.evaluation.ModelEvaluation.Foresight;
import dev.hydrallm.evaluation.ModelEvaluation.Profile;
import dev.hydrallm.evaluation.Part.Gap;
import dev.hydrallm.evaluation.Part.Measured;
import dev.hydrallm.model.GroupSize;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class EvaluationPageTest {
    /** With what markup must not hold as it is. */
    private static final String EVIL = "a <b> & \"c\" 'd'\u0001\u001b[31m";

    private static ModelEvaluation model(String name, double speed, double perplexity, long bytes) {
        return model(name, perplexity, bytes, speed, speed + 2);
    }

    private static ModelEvaluation model(String name, double perplexity, long bytes, Double... speeds) {
        double speed = speeds[0];
        Profile profile = new Profile(
                bytes,
                bytes / 4,
                8.125,
                16,
                2,
                1,
                List.of(List.of(0), List.of(0, 0), List.of(1)),
                List.of(new GroupSize(TensorGroup.LAYERS, WeightFormat.INT8, 1000, 1016)));
        Perplexity foreseen = new Perplexity(100, Math.log(perplexity));
        Summary once =
                Summary.of(Arrays.stream(speeds).mapToDouble(each -> each).toArray());
        Summary plain = Summary.of(speed / 2, speed / 2 + 1);
        RankHits hits = new RankHits(100, List.of(60L, 10L, 5L));
        return new ModelEvaluation(
                name,
                "packs/" + name,
                new Measured<>(profile),
                new Measured<>(new LoadBenchmark.Line(
                        LoadBenchmark.Cache.WARM, once, once, Summary.of(0.9), Summary.of(0.25, 0.26, 0.27), 123)),
                new Measured<>(Foresight.of(foreseen, 300)),
                new Measured<>(new ModelComparison(foreseen, foreseen, new Divergence(0.01, 0.001, 0.1, 1), 0.97)),
                new Measured<>(new HeadAccuracy(100, hits, List.of(hits, hits), List.of(hits, hits))),
                new Measured<>(List.of(
                        new SpeedBenchmark.Line(
                                1, Speculation.Extent.WHOLE, List.of(), plain, Summary.of(1), 1, 0.01, true),
                        new SpeedBenchmark.Line(
                                4,
                                Speculation.Extent.ADAPTIVE,
                                List.of(speeds),
                                once,
                                Summary.of(2, 2.1),
                                2.5,
                                0.02,
                                true))),
                new Measured<>(Map.of("python", new Compression(3, 0, 30, 12, List.of(4L, 3L, 5L)))),
                Map.of("poems", new Measured<>(quality(EVIL))));
    }

    private static AnswerQuality quality(String answer) {
        Scored scored = new Scored(EVIL, EVIL, answer, 0.5, 0.6, 0.4, 0.55, 10, 4, 0.1);
        return new AnswerQuality("poems", 0, 0, List.of(scored), new DraftCheck(1, 0, 0.2));
    }

    private static <T> Part<T> gap(String reason) {
        return new Gap<>(reason);
    }

    private static ModelEvaluation missing(String name) {
        String why = "it cannot be opened: " + EVIL;
        return new ModelEvaluation(
                name,
                name,
                gap(why),
                gap(why),
                gap(why),
                gap(why),
                gap(why),
                gap(why),
                gap(why),
                Map.of("poems", gap(why)));
    }

    private static String html(ModelEvaluation... models) {
        return EvaluationPage.html(List.of(models), "Measured here.", List.of("Speed: so."), List.of("hydra eval all"));
    }

    private static Document parse(String html) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setFeature("http://xml.org/sax/features/external-general-entities", false);
        return factory.newDocumentBuilder().parse(new InputSource(new StringReader(html)));
    }

    private static List<String> texts(Document page, String tag) {
        List<String> texts = new ArrayList<>();
        NodeList elements = page.getElementsByTagName(tag);
        for (int i = 0; i < elements.getLength(); i++) {
            texts.add(elements.item(i).getTextContent());
        }
        return texts;
    }

    @Test
    void itIsWellFormedAndShowsEachModelOnceInTheOverview() throws Exception {
        Document page = parse(html(model("A & B", 300, 4, 1000), model("C<D>", 400, 3, 2000), missing("nowhere")));
        Element overview = (Element) page.getElementsByTagName("table").item(0);
        List<String> rows = new ArrayList<>();
        NodeList cells = overview.getElementsByTagName("tr");
        for (int i = 1; i < cells.getLength(); i++) {
            rows.add(
                    ((Element) cells.item(i)).getElementsByTagName("td").item(0).getTextContent());
        }
        assertThat(rows).containsExactly("A & B", "C<D>", "nowhere");
        assertThat(texts(page, "h2"))
                .containsExactly(
                        "Overview",
                        "Speed",
                        "Tokens per step",
                        "Foresight",
                        "Draft heads",
                        "Answers",
                        "Size and load",
                        "Draft trees",
                        "What is missing",
                        "How it was measured");
        assertThat(texts(page, "pre")).last().isEqualTo("hydra eval all");
        assertThat(page.getElementsByTagName("svg").getLength()).isGreaterThan(6);
    }

    @Test
    void itNeedsNothingFromElsewhereAndRunsNothing() throws Exception {
        String html = html(model("A", 300, 4, 1000), model("B", 400, 3, 2000));
        assertThat(html.replace("http://www.w3.org/2000/svg", ""))
                .doesNotContain("http:", "https:", "<script", "<link", "<img", "@import", "url(");
    }

    @Test
    void theHeadlineNamesTheWinners() throws Exception {
        List<String> headline = Headline.of(List.of(model("A", 300, 4, 1000), model("B", 400, 3, 2000), missing("C")));
        assertThat(headline.get(0))
                .isEqualTo("B is the fastest: 401 tokens/s, 2.05 times its own plain decoding, 2.50 tokens a step.");
        assertThat(headline.get(1)).startsWith("B foresees the text best: ").contains("perplexity 3.000");
        assertThat(headline.get(2)).startsWith("A is the smallest: ");
        // The same score: nobody is better.
        assertThat(headline.get(3)).startsWith("A and B have the highest BLEU-2 on poems, alike: BLEU-2 50.00 %");
        assertThat(headline).hasSize(4);
    }

    @Test
    void whoIsFasterByLessThanRepeatsDifferByDoesNotWinAlone() {
        assertThat(Headline.of(List.of(model("A", 300, 4, 1000), model("B", 301, 3, 2000)))
                        .getFirst())
                .startsWith("B and A are the fastest, the same within what repeats differ by; B: ");
    }

    @Test
    void oneRepeatNamesNobodyTheFastest() {
        ModelEvaluation once = model("A", 4, 1000, 300.0);
        assertThat(Headline.of(List.of(once, model("B", 3, 2000, 400.0))).getFirst())
                .isEqualTo("Which model is the fastest takes two repeats or more to say, and there was one.");
        assertThat(Headline.of(List.of(once)).getFirst()).startsWith("A: 300 tokens/s");
    }

    @Test
    void aSetThatNoAnswerWasWrittenToHasNoFigure() throws Exception {
        ModelEvaluation model = model("A", 300, 4, 1000);
        ModelEvaluation without = new ModelEvaluation(
                model.name(),
                model.source(),
                model.profile(),
                model.load(),
                model.foresight(),
                model.fidelity(),
                model.heads(),
                model.speed(),
                new Measured<>(Map.of("long", new Compression(0, 2, 0, 0, List.of(0L, 0L)))),
                model.quality());
        assertThat(texts(parse(html(without)), "td")).containsSubsequence("A", "long", "0", "0", "0", "–", "–");
    }

    @Test
    void aModelAloneIsNotTheBest() {
        assertThat(Headline.of(List.of(model("A", 300, 4, 1000))))
                .allMatch(sentence -> sentence.startsWith("A: "))
                .hasSize(4);
    }

    @Test
    void gapsAreToldWithTheirReason() throws Exception {
        Document page = parse(html(model("A", 300, 4, 1000), missing("nowhere")));
        assertThat(texts(page, "li"))
                .filteredOn(text -> text.startsWith("nowhere"))
                .singleElement()
                .asString()
                .startsWith("nowhere: it cannot be opened: a <b> & \"c\" 'd'");
        assertThat(texts(parse(html(model("A", 300, 4, 1000))), "h2")).doesNotContain("What is missing");
        // Nothing at all is a page, too.
        assertThat(texts(parse(html(missing("x"), missing("y"))), "li"))
                .anyMatch(text -> text.startsWith("all models: it cannot be opened"));
    }

    @Test
    void bitsAByteAreOfTheTextNotOfItsTokens() {
        Foresight halved = Foresight.of(new Perplexity(50, 2 * Math.log(2)), 100);
        assertThat(halved.bitsPerByte()).isEqualTo(1);
    }
}
