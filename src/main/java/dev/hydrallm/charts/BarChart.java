package dev.hydrallm.charts;

import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * Upright bars in groups: for each group one of every series, from 0 on, with its value above it.
 *
 * @param groups names below the bars
 * @param series drawn side by side in this order; the colour of each is its place's
 */
public record BarChart(String title, String yLabel, List<String> groups, List<Series> series) {
    private static final double HEIGHT = 320;
    private static final double LEAST_WIDTH = 720;
    /** A bar that is narrower than this has no room for a number. */
    private static final double NARROWEST_WITH_NUMBER = 24;

    /**
     * A value for each group.
     *
     * @param values one that is no number leaves a gap
     * @param errors half the length of the line across a bar's end, for each of them; or empty
     */
    public record Series(String name, double[] values, double[] errors) {
        /** @throws IllegalArgumentException if there are errors, but not as many as values */
        public Series {
            if (errors.length != 0 && errors.length != values.length) {
                throw new IllegalArgumentException(values.length + " values with " + errors.length + " errors");
            }
        }

        /** Values without errors. */
        public Series(String name, double[] values) {
            this(name, values, new double[0]);
        }

        private double top(int group) {
            return values[group] + (errors.length == 0 ? 0 : errors[group]);
        }
    }

    /** @throws IllegalArgumentException if a series has not one value for each group */
    public BarChart {
        groups = List.copyOf(groups);
        series = List.copyOf(series);
        for (Series each : series) {
            if (each.values().length != groups.size()) {
                throw new IllegalArgumentException(
                        each.name() + " has " + each.values().length + " values for " + groups.size() + " groups");
            }
        }
    }

    /** An {@code <svg>} element that stands alone as well as in a page. */
    public String svg() {
        double width = Math.max(LEAST_WIDTH, groups.size() * (series.size() * 16.0 + 18) + 90);
        Frame frame = new Frame(
                width,
                HEIGHT,
                title,
                series.size() > 1 ? series.stream().map(Series::name).toList() : List.of());
        double[] tops = new double[series.size() * groups.size()];
        for (int i = 0; i < tops.length; i++) {
            tops[i] = series.get(i / groups.size()).top(i % groups.size());
        }
        Axis y = Axis.over(Stream.of(new double[] {0}, tops).toList(), 6);
        Axis x = new Axis(0, Math.max(1, groups.size()), 1);
        frame.axes(groups, y, yLabel);
        double slot = frame.across(x, 1) - frame.across(x, 0);
        double bar = Math.min(64, slot * 0.78 / Math.max(1, series.size()));
        for (int s = 0; s < series.size(); s++) {
            for (int g = 0; g < groups.size(); g++) {
                double left = frame.across(x, g + 0.5) + (s - series.size() / 2.0) * bar;
                bar(frame, y, s, g, left, bar);
            }
        }
        return frame.svg();
    }

    private void bar(Frame frame, Axis y, int index, int group, double left, double width) {
        Series each = series.get(index);
        double value = each.values()[group];
        if (!Double.isFinite(value)) {
            return;
        }
        double from = frame.up(y, Math.max(0, value));
        double to = frame.up(y, Math.min(0, value));
        frame.add(String.format(
                Locale.ROOT,
                "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"1.5\"><title>%s</title></rect>%n",
                Frame.colour(index),
                left + 1,
                from,
                Math.max(1, width - 2),
                Math.max(0.5, to - from),
                Frame.escaped(groups.get(group) + (each.name().isEmpty() ? "" : ", " + each.name()) + ": "
                        + Axis.number(value))));
        double middle = left + width / 2;
        if (each.errors().length > 0 && each.errors()[group] > 0) {
            frame.add(String.format(
                    Locale.ROOT,
                    "<path class=\"error\" d=\"M%1$.1f %2$.1fV%3$.1fM%4$.1f %2$.1fh6M%4$.1f %3$.1fh6\"/>%n",
                    middle,
                    frame.up(y, value + each.errors()[group]),
                    frame.up(y, value - each.errors()[group]),
                    middle - 3));
        }
        if (width >= NARROWEST_WITH_NUMBER) {
            frame.add(String.format(
                    Locale.ROOT,
                    "<text class=\"value\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>%n",
                    middle,
                    Math.min(from, frame.up(y, each.top(group))) - 4,
                    Axis.number(value)));
        }
    }
}
