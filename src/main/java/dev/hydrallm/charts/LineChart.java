package dev.hydrallm.charts;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Curves over one pair of axes, which reach as far as the numbers do.
 *
 * @param series drawn in this order; the colour of each is its place's
 */
public record LineChart(String title, String xLabel, String yLabel, List<Series> series) {
    /** More points than the drawing has places for are thinned to about as many, with their highs and lows. */
    static final int MOST_POINTS = 700;

    private static final double WIDTH = 720;
    private static final double HEIGHT = 340;
    /** Curves of so few points show each of them, with its numbers when it is pointed at. */
    private static final int MOST_DOTS = 60;

    /** How a curve is drawn. */
    public enum Stroke {
        FULL,
        /** Thin and pale, without a place in the legend and in the colour of the next full curve: for what that one smooths. */
        FAINT
    }

    /**
     * A curve.
     *
     * @param xs in ascending order
     * @param ys as many; one that is no number, or infinite, interrupts the curve
     */
    public record Series(String name, double[] xs, double[] ys, Stroke stroke) {
        /** @throws IllegalArgumentException if there are not as many of both */
        public Series {
            if (xs.length != ys.length) {
                throw new IllegalArgumentException(xs.length + " places of " + ys.length + " values");
            }
        }

        /** A full curve. */
        public Series(String name, double[] xs, double[] ys) {
            this(name, xs, ys, Stroke.FULL);
        }
    }

    public LineChart {
        series = List.copyOf(series);
    }

    /** An {@code <svg>} element that stands alone as well as in a page. */
    public String svg() {
        Frame frame = new Frame(
                WIDTH,
                HEIGHT,
                title,
                series.stream()
                        .filter(each -> each.stroke() == Stroke.FULL)
                        .map(Series::name)
                        .toList());
        Axis x = Axis.exactly(series.stream().map(Series::xs).toList(), 8);
        Axis y = Axis.over(series.stream().map(Series::ys).toList(), 6);
        frame.axes(x, xLabel, y, yLabel);
        int colour = 0;
        for (Series each : series) {
            curve(frame, x, y, each, colour);
            colour += each.stroke() == Stroke.FULL ? 1 : 0;
        }
        return frame.svg();
    }

    private static void curve(Frame frame, Axis x, Axis y, Series series, int colour) {
        StringBuilder path = new StringBuilder();
        boolean drawing = false;
        List<Integer> points = thinned(series.ys());
        for (int i : points) {
            boolean known = Double.isFinite(series.ys()[i]);
            if (known) {
                path.append(String.format(
                        Locale.ROOT,
                        "%s%.1f %.1f",
                        drawing ? "L" : "M",
                        frame.across(x, series.xs()[i]),
                        frame.up(y, series.ys()[i])));
            }
            drawing = known;
        }
        String kind = series.stroke() == Stroke.FAINT ? "faint" : "line";
        frame.add("<path class=\"" + kind + " " + Frame.colour(colour) + "\" d=\"" + path + "\"/>\n");
        if (series.stroke() == Stroke.FULL && points.size() <= MOST_DOTS) {
            for (int i : points) {
                if (Double.isFinite(series.ys()[i])) {
                    frame.add(String.format(
                            Locale.ROOT,
                            "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.6\"><title>%s</title></circle>%n",
                            Frame.colour(colour),
                            frame.across(x, series.xs()[i]),
                            frame.up(y, series.ys()[i]),
                            Frame.escaped(series.name() + ": " + Axis.number(series.ys()[i]) + " at "
                                    + Axis.number(series.xs()[i]))));
                }
            }
        }
    }

    /** The places that are drawn: all, or the lowest and the highest of each of many equal parts. */
    static List<Integer> thinned(double[] ys) {
        List<Integer> places = new ArrayList<>();
        int parts = ys.length <= MOST_POINTS ? ys.length : MOST_POINTS / 2;
        for (int part = 0; part < parts; part++) {
            int begin = (int) ((long) ys.length * part / parts);
            int end = (int) ((long) ys.length * (part + 1) / parts);
            int low = begin;
            int high = begin;
            for (int i = begin; i < end; i++) {
                low = ys[i] < ys[low] ? i : low;
                high = ys[i] > ys[high] ? i : high;
            }
            places.add(Math.min(low, high));
            if (low != high) {
                places.add(Math.max(low, high));
            }
        }
        return places;
    }
}
