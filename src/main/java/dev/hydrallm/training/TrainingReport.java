package dev.hydrallm.training;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.charts.BarChart;
import dev.hydrallm.charts.LineChart;
import dev.hydrallm.charts.Page;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** A page about a run in one file, made of what its metrics say. */
final class TrainingReport {
    /** A smoothed value is the mean of this share of all before and after it. */
    private static final int SMOOTHED_PARTS = 50;

    private final RunFolder folder;
    private final List<JsonNode> training;
    private final List<JsonNode> evaluation;
    private final int heads;

    private TrainingReport(RunFolder folder, List<JsonNode> lines) {
        this.folder = folder;
        this.training = lines.stream().filter(line -> line.has("loss")).toList();
        this.evaluation = lines.stream().filter(line -> line.has("eval_loss")).toList();
        this.heads = (int) IntStream.iterate(0, k -> k + 1)
                .takeWhile(k -> lines.stream().anyMatch(line -> line.has("medusa" + k + "_loss")))
                .count();
    }

    /** Writes the page anew. */
    static void write(RunFolder folder) throws IOException {
        List<JsonNode> lines = MetricsLog.lines(folder.metrics());
        if (lines.stream().noneMatch(line -> line.has("loss"))) {
            return;
        }
        Path unfinished = folder.report().resolveSibling("report.html.unfinished");
        Files.writeString(unfinished, new TrainingReport(folder, lines).html());
        Files.move(unfinished, folder.report(), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private String html() {
        JsonNode last = training.getLast();
        Page page = new Page("Training of " + heads + " draft heads")
                .note(String.format(
                        Locale.ROOT,
                        "%,d steps, %.2f epochs, %,d tokens read, %s. Loss %.4f; a head's loss is its mean cross-entropy in nats,"
                                + " and the loss is their weighted sum.",
                        last.path("step").asLong(),
                        last.path("epoch").asDouble(),
                        sum("tokens"),
                        duration(training.stream()
                                .mapToDouble(line -> line.path("seconds").asDouble())
                                .sum()),
                        last.path("loss").asDouble()));
        page.section("How it went").charts(curves());
        page.section("How it ended").charts(ends()).table(head(), rows());
        page.section("What was asked for")
                .table(
                        List.of("option", "value"),
                        folder.identity().entrySet().stream()
                                .map(each -> List.of(each.getKey(), each.getValue()))
                                .toList());
        return page.html();
    }

    private List<String> curves() {
        List<String> charts = new ArrayList<>();
        charts.add(new LineChart("Loss by head", "optimizer step", "nats", smoothed("_loss")).svg());
        charts.add(new LineChart("Best guess right, by head", "optimizer step", "share", smoothed("_top1")).svg());
        if (evaluation.size() > 1) {
            charts.add(new LineChart("Held-out loss by head", "optimizer step", "nats", heldOut("_loss")).svg());
            charts.add(new LineChart("Held-out best guess right, by head", "optimizer step", "share", heldOut("_top1"))
                    .svg());
        }
        charts.add(single("Learning rate", "", "learning_rate"));
        charts.add(single("Gradient norm before clipping", "", "grad_norm"));
        charts.add(single("Speed", "tokens/s", "tokens_per_second"));
        return charts;
    }

    private String single(String title, String unit, String name) {
        return new LineChart(
                        title,
                        "optimizer step",
                        unit,
                        List.of(new LineChart.Series(title, values(training, "step"), values(training, name))))
                .svg();
    }

    private List<LineChart.Series> smoothed(String suffix) {
        List<LineChart.Series> series = new ArrayList<>();
        double[] steps = values(training, "step");
        for (int k = 0; k < heads; k++) {
            double[] raw = values(training, "medusa" + k + suffix);
            String name = "head " + (k + 1);
            if (steps.length >= 2 * SMOOTHED_PARTS) {
                series.add(new LineChart.Series(name, steps, raw, LineChart.Stroke.FAINT));
                series.add(new LineChart.Series(name, steps, means(raw, steps.length / SMOOTHED_PARTS)));
            } else {
                series.add(new LineChart.Series(name, steps, raw));
            }
        }
        return series;
    }

    private List<LineChart.Series> heldOut(String suffix) {
        return IntStream.range(0, heads)
                .mapToObj(k -> new LineChart.Series(
                        "head " + (k + 1), values(evaluation, "step"), values(evaluation, "eval_medusa" + k + suffix)))
                .toList();
    }

    /** Of each value the mean of all that are no further than so many places from it. */
    private static double[] means(double[] raw, int places) {
        double[] sums = new double[raw.length + 1];
        int[] counts = new int[raw.length + 1];
        for (int i = 0; i < raw.length; i++) {
            boolean known = Double.isFinite(raw[i]);
            sums[i + 1] = sums[i] + (known ? raw[i] : 0);
            counts[i + 1] = counts[i] + (known ? 1 : 0);
        }
        double[] means = new double[raw.length];
        for (int i = 0; i < raw.length; i++) {
            int from = Math.max(0, i - places);
            int to = Math.min(raw.length, i + places + 1);
            means[i] = (sums[to] - sums[from]) / (counts[to] - counts[from]);
        }
        return means;
    }

    /** The last tenth of the lines: what a single line says is noise. */
    private List<JsonNode> end() {
        return training.subList(training.size() - Math.max(1, training.size() / 10), training.size());
    }

    private List<String> ends() {
        List<String> names =
                IntStream.range(0, heads).mapToObj(k -> "head " + (k + 1)).toList();
        List<BarChart.Series> series = new ArrayList<>();
        for (int rank = 1; rank <= StepMetrics.TOLD_RANKS; rank++) {
            int told = rank;
            series.add(new BarChart.Series(
                    "top " + rank,
                    IntStream.range(0, heads)
                            .mapToDouble(k -> evaluation.isEmpty()
                                    ? mean(end(), "medusa" + k + "_top" + told)
                                    : evaluation
                                            .getLast()
                                            .path("eval_medusa" + k + "_top" + told)
                                            .asDouble(Double.NaN))
                            .toArray()));
        }
        return List.of(new BarChart(
                        evaluation.isEmpty()
                                ? "Right among the best guesses, last tenth of the run"
                                : "Right among the best guesses, held-out samples",
                        "share",
                        names,
                        series)
                .svg());
    }

    private List<String> head() {
        List<String> head = new ArrayList<>(List.of("head", "loss, last tenth", "top 1", "top 5"));
        if (!evaluation.isEmpty()) {
            head.addAll(List.of("held-out loss", "held-out top 1", "held-out top 5"));
        }
        return head;
    }

    private List<List<String>> rows() {
        List<List<String>> rows = new ArrayList<>();
        for (int k = 0; k < heads; k++) {
            String name = "medusa" + k;
            List<String> row = new ArrayList<>(List.of(
                    String.valueOf(k + 1),
                    number(mean(end(), name + "_loss")),
                    number(mean(end(), name + "_top1")),
                    number(mean(end(), name + "_top5"))));
            if (!evaluation.isEmpty()) {
                for (String what : List.of("_loss", "_top1", "_top5")) {
                    row.add(number(
                            evaluation.getLast().path("eval_" + name + what).asDouble(Double.NaN)));
                }
            }
            rows.add(row);
        }
        return rows;
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }

    private static double mean(List<JsonNode> lines, String name) {
        return lines.stream()
                .filter(line -> line.path(name).isNumber())
                .mapToDouble(line -> line.path(name).asDouble())
                .average()
                .orElse(Double.NaN);
    }

    private static double[] values(List<JsonNode> lines, String name) {
        return lines.stream()
                .mapToDouble(
                        line -> line.path(name).isNumber() ? line.path(name).asDouble() : Double.NaN)
                .toArray();
    }

    private long sum(String name) {
        return training.stream().mapToLong(line -> line.path(name).asLong()).sum();
    }

    private static String duration(double seconds) {
        long whole = Math.round(seconds);
        return whole < 120
                ? String.format(Locale.ROOT, "%.1f s", seconds)
                : String.format(Locale.ROOT, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
    }
}
