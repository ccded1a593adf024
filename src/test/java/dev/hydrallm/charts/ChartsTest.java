package dev.hydrallm.charts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

final class ChartsTest {
    @Test
    void curvesHaveTitleLegendAndAxes() throws Exception {
        double[] xs = {1, 2, 3, 4};
        Document svg = parsed(new LineChart(
                        "Loss <of> & \"all\"",
                        "step",
                        "nats",
                        List.of(
                                new LineChart.Series("head 1", xs, new double[] {4, 3, 2, 1}),
                                new LineChart.Series("head 2", xs, new double[] {8, Double.NaN, 6, 5})))
                .svg());

        assertThat(svg.getDocumentElement().getTextContent())
                .contains("Loss <of> & \"all\"", "head 1", "head 2", "step", "nats", "head 2: 8 at 1");
        assertThat(svg.getElementsByTagName("circle").getLength()).isEqualTo(7);
    }

    @Test
    void aCurveIsInterruptedWhereThereIsNoNumber() {
        String svg = new LineChart(
                        "", "", "", List.of(new LineChart.Series("a", new double[] {1, 2, 3, 4, 5}, new double[] {
                            1, 2, Double.NaN, 2, 1
                        })))
                .svg();

        String path = svg.lines()
                .filter(line -> line.contains("class=\"line"))
                .findFirst()
                .orElseThrow();
        assertThat(path.chars().filter(c -> c == 'M').count()).isEqualTo(2);
    }

    @Test
    void manyPointsAreThinnedAndKeepTheirExtremes() {
        double[] ys = new Random(1).doubles(100_000).toArray();
        ys[77_777] = 9;
        ys[12_345] = -9;

        List<Integer> places = LineChart.thinned(ys);

        assertThat(places)
                .hasSizeLessThanOrEqualTo(LineChart.MOST_POINTS)
                .isSorted()
                .contains(77_777, 12_345);
        assertThat(LineChart.thinned(new double[] {1, 2, 3})).containsExactly(0, 1, 2);
    }

    @Test
    void barsAreDrawnForEveryKnownValue() throws Exception {
        Document svg = parsed(new BarChart(
                        "Top 1",
                        "share",
                        List.of("head 1", "head 2"),
                        List.of(
                                new BarChart.Series("mine", new double[] {0.5, 0.25}, new double[] {0.1, 0}),
                                new BarChart.Series("other", new double[] {0.75, Double.NaN})))
                .svg());

        // Three bars, and two in the legend.
        assertThat(svg.getElementsByTagName("rect").getLength()).isEqualTo(5);
        assertThat(svg.getDocumentElement().getTextContent()).contains("head 1, mine: 0.50", "head 1, other: 0.75");
    }

    @Test
    void longNamesStayWithinTheDrawing() throws Exception {
        String name = "a-model-with-a-name-" + "that-goes-on-".repeat(5) + "int8";
        List<String> groups = List.of(name, "b" + name, "short", "c" + name);
        Document svg =
                parsed(new BarChart("", "", groups, List.of(new BarChart.Series("", new double[] {1, 2, 3, 4}))).svg());
        double height = Double.parseDouble(svg.getDocumentElement().getAttribute("height"));
        NodeList texts = svg.getElementsByTagName("text");
        int slanted = 0;
        for (int i = 0; i < texts.getLength(); i++) {
            Element text = (Element) texts.item(i);
            if (text.getAttribute("transform").startsWith("rotate(-30 ")) {
                String shown = text.getLastChild().getTextContent();
                double length = 6.4 * shown.length();
                assertThat(Double.parseDouble(text.getAttribute("x")) - length * Math.cos(Math.PI / 6))
                        .isPositive();
                assertThat(Double.parseDouble(text.getAttribute("y")) + length * Math.sin(Math.PI / 6))
                        .isLessThan(height);
                assertThat(text.getFirstChild().getTextContent()).isEqualTo(groups.get(slanted++));
                assertThat(shown).hasSizeLessThanOrEqualTo(28).matches("short|.+….*on-int8");
            }
        }
        assertThat(slanted).isEqualTo(4);
    }

    @Test
    void seriesOfAnotherLengthAreRefused() {
        assertThatThrownBy(() -> new LineChart.Series("a", new double[2], new double[3]))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() ->
                        new BarChart("", "", List.of("a"), List.of(new BarChart.Series("b", new double[] {1, 2}))))
                .hasMessageContaining("2 values for 1 groups");
    }

    @Test
    void nothingAndOneValueAreDrawnToo() throws Exception {
        parsed(new LineChart("", "", "", List.of()).svg());
        parsed(new LineChart("", "", "", List.of(new LineChart.Series("a", new double[] {7}, new double[] {7}))).svg());
        parsed(new BarChart("", "", List.of(), List.of()).svg());
    }

    @Test
    void numbersAtAnAxisAreRound() {
        Axis axis = Axis.over(List.of(new double[] {0.13, 1.93}), 6);

        assertThat(axis.ticks().stream().map(axis::label)).containsExactly("0.0", "0.5", "1.0", "1.5", "2.0");
        assertThat(Axis.over(List.of(new double[] {0, 1e-3}), 5).ticks()).hasSize(6);
    }

    /** For eyes: -Dcharts.page=FILE writes one. */
    @Test
    void aPageIsWellFormed() throws Exception {
        Random random = new Random(2);
        double[] xs = new double[400];
        double[] raw = new double[400];
        double[] smooth = new double[400];
        double[] other = new double[400];
        for (int i = 0; i < xs.length; i++) {
            xs[i] = i + 1;
            smooth[i] = 3 + 5 * Math.exp(-i / 60.0);
            raw[i] = smooth[i] + random.nextGaussian() * 0.4;
            other[i] = smooth[i] * 1.3;
        }
        String html = new Page("Training & more")
                .note("A note")
                .section("Losses")
                .charts(List.of(
                        new LineChart(
                                        "Loss by head",
                                        "optimizer step",
                                        "nats",
                                        List.of(
                                                new LineChart.Series("head 1", xs, raw, LineChart.Stroke.FAINT),
                                                new LineChart.Series("head 1", xs, smooth),
                                                new LineChart.Series("head 2", xs, other)))
                                .svg(),
                        new BarChart(
                                        "Accuracy by head",
                                        "share",
                                        List.of("head 1", "head 2", "head 3"),
                                        List.of(
                                                new BarChart.Series(
                                                        "top 1",
                                                        new double[] {0.61, 0.44, 0.31},
                                                        new double[] {0.02, 0.02, 0.03}),
                                                new BarChart.Series("top 5", new double[] {0.8, 0.65, 0.5})))
                                .svg()))
                .table(List.of("head", "loss"), List.of(List.of("1", "2.3"), List.of("2", "3.4")))
                .code("hydra train --model base")
                .html();

        String page = System.getProperty("charts.page");
        if (page != null) {
            Files.writeString(Path.of(page), html);
        }
        parsed(html.substring(html.indexOf("<html")));
        assertThat(Pattern.compile("(src|href)=").matcher(html).find()).isFalse();
    }

    private static Document parsed(String xml) throws Exception {
        return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(new InputSource(new StringReader(xml)));
    }
}
