package dev.hydrallm.charts;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/** What surrounds a chart's curves or bars: title, legend, axes and grid, in colours for a light and a dark page. */
final class Frame {
    /** How many colours there are; after that they begin again. */
    static final int COLOURS = 8;

    private static final double LETTER = 6.4;
    private static final double RIGHT = 18;
    private static final double BOTTOM = 46;
    /** Names that do not fit side by side hang at this angle, in degrees, and longer ones than this lose their middle. */
    private static final double SLANT = 30;

    private static final int LONGEST_NAME = 28;
    private static final double LEGEND_ROW = 19;

    // Told apart by those who see red and green alike, too: after Okabe and Ito, darkened for white and lightened for
    // black.
    private static final String STYLE = """
            <style>
            .chart{--ink:#1f2328;--soft:#59636e;--grid:#e4e7eb;--c0:#0b62c4;--c1:#c75b00;--c2:#00795a;--c3:#b0327f;--c4:#8a6d00;--c5:#1a8fc9;--c6:#5b3fa8;--c7:#4c5561;font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;max-width:100%;height:auto}
            @media (prefers-color-scheme:dark){.chart{--ink:#e6edf3;--soft:#9da7b3;--grid:#30363d;--c0:#5aa9ff;--c1:#ff9a4d;--c2:#3fcf9f;--c3:#f48ac6;--c4:#e8c547;--c5:#7fd4ff;--c6:#b7a1ff;--c7:#a9b4c0}}
            .chart text{fill:var(--soft)}.chart .title{fill:var(--ink);font-size:14px;font-weight:600}.chart .value,.chart .name{fill:var(--ink)}
            .chart .grid{stroke:var(--grid)}.chart .axis{stroke:var(--soft)}.chart .error{stroke:var(--ink);fill:none}
            .chart .line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}.chart .faint{fill:none;stroke:var(--c);stroke-width:1;opacity:.3}
            .chart .dot,.chart .bar{fill:var(--c)}
            """;

    private final StringBuilder body = new StringBuilder();
    private final double width;
    private double height;
    private double bottom = BOTTOM;
    private final double top;
    private double left = 60;

    /**
     * Begins a chart.
     *
     * @param legend names in the order of their colours
     */
    Frame(double width, double height, String title, List<String> legend) {
        this.width = width;
        add(String.format(Locale.ROOT, "<text class=\"title\" x=\"12\" y=\"22\">%s</text>%n", escaped(title)));
        double x = 12;
        double y = 42;
        for (int i = 0; i < legend.size(); i++) {
            double place = 22 + LETTER * legend.get(i).length() + 16;
            if (x + place > width && x > 12) {
                x = 12;
                y += LEGEND_ROW;
            }
            add(String.format(
                    Locale.ROOT,
                    "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"14\" height=\"4\" rx=\"2\"/><text class=\"name\" x=\"%.1f\" y=\"%.1f\">%s</text>%n",
                    colour(i),
                    x,
                    y - 6,
                    x + 20,
                    y,
                    escaped(legend.get(i))));
            x += place;
        }
        this.top = legend.isEmpty() ? 40 : y + 16;
        this.height = height + top - 40;
    }

    /** The class of a colour. */
    static String colour(int index) {
        return "k" + index % COLOURS;
    }

    /** Draws both axes with numbers, and their grid. */
    void axes(Axis x, String xLabel, Axis y, String yLabel) {
        left = roomFor(y);
        vertical(y, yLabel);
        for (double tick : x.ticks()) {
            add(String.format(
                    Locale.ROOT,
                    "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>%n",
                    across(x, tick),
                    height - bottom + 18,
                    x.label(tick)));
        }
        add(String.format(
                Locale.ROOT,
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>%n",
                width - RIGHT,
                height - 8,
                escaped(xLabel)));
    }

    /** Draws an axis with names and one with numbers. */
    void axes(List<String> names, Axis y, String yLabel) {
        left = roomFor(y);
        Axis x = new Axis(0, Math.max(1, names.size()), 1);
        double room = across(x, 1) - across(x, 0);
        boolean fit = names.stream().allMatch(name -> name.length() * LETTER < room);
        if (!fit) {
            makeRoomForSlanted(names.stream().map(Frame::shortened).toList());
        }
        vertical(y, yLabel);
        for (int i = 0; i < names.size(); i++) {
            double middle = across(x, i + 0.5);
            String turn = fit
                    ? ""
                    : String.format(
                            Locale.ROOT, " transform=\"rotate(-%.0f %.1f %.1f)\"", SLANT, middle, height - bottom + 16);
            add(String.format(
                    Locale.ROOT,
                    "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\"%s>%s%s</text>%n",
                    middle,
                    height - bottom + 18,
                    fit ? "middle" : "end",
                    turn,
                    fit ? "" : "<title>" + escaped(names.get(i)) + "</title>",
                    escaped(fit ? names.get(i) : shortened(names.get(i)))));
        }
    }

    /** Moves the axes away from the edges that slanted names would cross. */
    private void makeRoomForSlanted(List<String> names) {
        double below = 0;
        for (int i = 0; i < names.size(); i++) {
            double length = names.get(i).length() * LETTER;
            below = Math.max(below, length * Math.sin(Math.toRadians(SLANT)));
            double share = (i + 0.5) / names.size();
            double before = length * Math.cos(Math.toRadians(SLANT)) + 4;
            left = Math.max(left, (before - share * (width - RIGHT)) / (1 - share));
        }
        double more = Math.max(0, below + 28 - bottom);
        bottom += more;
        height += more;
    }

    private static String shortened(String name) {
        int half = LONGEST_NAME / 2;
        return name.length() <= LONGEST_NAME
                ? name
                : name.substring(0, half - 1) + "…" + name.substring(name.length() - half);
    }

    /** What the vertical axis and its numbers take. */
    private static double roomFor(Axis y) {
        ToDoubleFunction<Double> length = tick -> LETTER * y.label(tick).length();
        return 16 + 18 + y.ticks().stream().mapToDouble(length).max().orElse(0);
    }

    private void vertical(Axis y, String label) {
        for (double tick : y.ticks()) {
            add(String.format(
                    Locale.ROOT,
                    "<path class=\"%s\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>%n",
                    tick == y.from() ? "axis" : "grid",
                    left,
                    up(y, tick),
                    width - RIGHT,
                    left - 6,
                    up(y, tick) + 4,
                    y.label(tick)));
        }
        double middle = (top + height - bottom) / 2;
        add(String.format(
                Locale.ROOT,
                "<text x=\"16\" y=\"%1$.1f\" text-anchor=\"middle\" transform=\"rotate(-90 16 %1$.1f)\">%2$s</text>%n",
                middle,
                escaped(label)));
    }

    /** Where a value stands from the left. */
    double across(Axis x, double value) {
        return left + (width - RIGHT - left) * x.share(value);
    }

    /** Where a value stands from the top. */
    double up(Axis y, double value) {
        return height - bottom - (height - bottom - top) * y.share(value);
    }

    /** Draws something more. */
    void add(String element) {
        body.append(element);
    }

    String svg() {
        StringBuilder colours = new StringBuilder();
        for (int i = 0; i < COLOURS; i++) {
            colours.append(".chart .")
                    .append(colour(i))
                    .append("{--c:var(--c")
                    .append(i)
                    .append(")}");
        }
        return String.format(
                Locale.ROOT,
                "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %1$.0f %2$.0f\" width=\"%1$.0f\""
                        + " height=\"%2$.0f\" role=\"img\">%n%3$s%4$s%n</style>%n%5$s</svg>%n",
                width,
                height,
                STYLE,
                colours,
                body);
    }

    /** Text that is no markup. */
    static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }
}
