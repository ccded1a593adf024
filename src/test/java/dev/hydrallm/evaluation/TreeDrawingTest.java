package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.DraftTree;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

class TreeDrawingTest {
    @Test
    void everyNodeHasAPlaceARankAndATooltipAndWiderEdgesAreAcceptedMoreOften() throws Exception {
        DraftTree tree = DraftTree.of(List.of(List.of(0), List.of(0, 0), List.of(1), List.of(0, 3)));
        String svg = TreeDrawing.svg(tree, path -> 0.8 / (1 + path.getLast()) / path.size(), "A <tree> & more", "sub");
        Document document = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
        assertThat(document.getElementsByTagName("circle").getLength()).isEqualTo(5);
        assertThat(document.getElementsByTagName("title").item(0).getTextContent())
                .isEqualTo("A <tree> & more");
        assertThat(svg)
                .contains("path [0, 3]: guess 4 of head 2, accepted in 10.00 % of steps, path 4 of 4 by growth")
                .contains(">head 2</text>")
                .doesNotContain("head 3");
        List<Double> widths = new java.util.ArrayList<>();
        for (int i = 0; i < document.getElementsByTagName("path").getLength(); i++) {
            widths.add(Double.valueOf(
                    ((Element) document.getElementsByTagName("path").item(i)).getAttribute("stroke-width")));
        }
        // Edges stand in the order of nodes: [0], [1], [0,0], [0,3].
        assertThat(widths).hasSize(4);
        assertThat(widths.get(0)).isGreaterThan(widths.get(1));
        assertThat(widths.get(2)).isGreaterThan(widths.get(3));
    }

    @Test
    void aRootAloneIsDrawnToo() {
        assertThat(TreeDrawing.svg(DraftTree.ROOT_ONLY, path -> 1, "t", "s")).contains("own next token");
    }
}
