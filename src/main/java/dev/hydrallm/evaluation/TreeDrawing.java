package dev.hydrallm.evaluation;

import dev.hydrallm.charts.Page;
import dev.hydrallm.decoding.DraftTree;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * Draws a draft tree as a picture (SVG) that stands for itself: a column for each depth, edges as wide as they are often accepted, a
 * node's rank inside it, and what is known of it when it is pointed at. Follows the reader's light or dark scheme.
 */
public final class TreeDrawing {
    private static final int COLUMN = 150;
    private static final int ROW = 26;
    private static final int RADIUS = 10;
    private static final int LEFT = 40;
    private static final int TOP = 92;
    private static final int FOOT = 34;
    private static final double WIDEST = 14;
    private static final double THINNEST = 0.8;

    private final DraftTree tree;
    private final ToDoubleFunction<List<Integer>> rate;
    private final double[] rows;
    private final Map<List<Integer>, Integer> order = new HashMap<>();
    private double nextRow;

    private TreeDrawing(DraftTree tree, ToDoubleFunction<List<Integer>> rate) {
        this.tree = tree;
        this.rate = rate;
        rows = new double[tree.nodes()];
        place(0);
        for (int i = 0; i < tree.paths().size(); i++) {
            order.put(tree.paths().get(i), i + 1);
        }
    }

    /**
     * A tree's picture.
     *
     * @param rate share of steps that accept a path, 0 to 1
     */
    public static String svg(DraftTree tree, ToDoubleFunction<List<Integer>> rate, String title, String subtitle) {
        return new TreeDrawing(tree, rate).draw(title, subtitle);
    }

    /** Leaves stand one below the other, a parent in the middle of its children. */
    private void place(int node) {
        double first = -1;
        double last = -1;
        for (int child = node + 1; child < tree.nodes(); child++) {
            if (tree.parent(child) == node) {
                place(child);
                first = first < 0 ? rows[child] : first;
                last = rows[child];
            }
        }
        rows[node] = first < 0 ? nextRow++ : (first + last) / 2;
    }

    private double x(int node) {
        return LEFT + tree.depth(node) * (double) COLUMN;
    }

    private double y(int node) {
        return TOP + rows[node] * ROW;
    }

    private String draw(String title, String subtitle) {
        int width = Math.max(LEFT * 2 + tree.depth() * COLUMN + 40, 420);
        int height = (int) (TOP + Math.max(0, nextRow - 1) * ROW + FOOT);
        StringBuilder svg = new StringBuilder(
                String.format(Locale.ROOT, """
                <svg xmlns="http://www.w3.org/2000/svg" class="draft-tree" viewBox="0 0 %1$d %2$d" width="%1$d" height="%2$d" role="img">
                <title>%3$s</title>
                <style>
                .draft-tree { font: 12px system-ui, sans-serif; --ink: #1f2430; --soft: #6b7280; --line: #3b6fb6; --root: #1f2430;
                  --paper: #ffffff; --band: #f4f6fa; background: var(--paper) }
                @media (prefers-color-scheme: dark) { .draft-tree { --ink: #e6e8ee; --soft: #9aa3b2; --line: #7aa7e8; --root: #e6e8ee;
                  --paper: #15181f; --band: #1c212b } }
                .draft-tree .title { font-size: 15px; font-weight: 600; fill: var(--ink) }
                .draft-tree .soft { fill: var(--soft) }
                .draft-tree .band { fill: var(--band) }
                .draft-tree .edge { fill: none; stroke: var(--line); stroke-linecap: round; opacity: .55 }
                .draft-tree .node circle { fill: var(--paper); stroke: var(--line); stroke-width: 1.6 }
                .draft-tree .node.root circle { fill: var(--root); stroke: var(--root) }
                .draft-tree .node text { fill: var(--ink); text-anchor: middle; font-size: 10.5px; font-variant-numeric: tabular-nums }
                .draft-tree .node:hover circle { stroke-width: 3 }
                </style>
                <text class="title" x="16" y="26">%3$s</text>
                <text class="soft" x="16" y="46">%4$s</text>
                """, width, height, Page.escaped(title), Page.escaped(subtitle)));
        columns(svg, height);
        for (int node = 1; node < tree.nodes(); node++) {
            edge(svg, node);
        }
        for (int node = 0; node < tree.nodes(); node++) {
            node(svg, node);
        }
        return svg.append("</svg>\n").toString();
    }

    private void columns(StringBuilder svg, int height) {
        for (int depth = 0; depth <= tree.depth(); depth++) {
            int middle = LEFT + depth * COLUMN;
            if (depth % 2 == 1) {
                svg.append(String.format(
                        Locale.ROOT,
                        "<rect class=\"band\" x=\"%d\" y=\"56\" width=\"%d\" height=\"%d\" rx=\"6\"/>%n",
                        middle - COLUMN / 2 + 8,
                        COLUMN - 16,
                        height - 64));
            }
            svg.append(String.format(
                    Locale.ROOT,
                    "<text class=\"soft\" x=\"%d\" y=\"72\" text-anchor=\"middle\">%s</text>%n",
                    middle,
                    depth == 0 ? "base" : "head " + depth));
        }
    }

    private void edge(StringBuilder svg, int node) {
        int parent = tree.parent(node);
        double share = Math.clamp(rate.applyAsDouble(tree.ranksTo(node)), 0, 1);
        double bend = COLUMN / 2.0;
        svg.append(String.format(
                Locale.ROOT,
                "<path class=\"edge\" stroke-width=\"%.2f\" d=\"M%.1f %.1f C%.1f %.1f %.1f %.1f %.1f %.1f\"/>%n",
                THINNEST + (WIDEST - THINNEST) * share,
                x(parent),
                y(parent),
                x(parent) + bend,
                y(parent),
                x(node) - bend,
                y(node),
                x(node),
                y(node)));
    }

    private void node(StringBuilder svg, int node) {
        List<Integer> path = tree.ranksTo(node);
        String said = node == 0
                ? "The base model's own next token"
                : String.format(
                        Locale.ROOT,
                        "path %s: guess %d of head %d, accepted in %.2f %% of steps, path %d of %d by growth",
                        path,
                        path.getLast() + 1,
                        path.size(),
                        100 * rate.applyAsDouble(path),
                        order.getOrDefault(path, 0),
                        tree.nodes() - 1);
        svg.append(String.format(
                Locale.ROOT,
                "<g class=\"%s\"><title>%s</title><circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/>",
                node == 0 ? "node root" : "node",
                said,
                x(node),
                y(node),
                RADIUS));
        if (node > 0) {
            svg.append(String.format(
                    Locale.ROOT, "<text x=\"%.1f\" y=\"%.1f\">%d</text>", x(node), y(node) + 3.8, path.getLast()));
        }
        svg.append("</g>\n");
    }
}
