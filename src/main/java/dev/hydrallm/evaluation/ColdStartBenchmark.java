package dev.hydrallm.evaluation;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Starts of a server, each a process of its own, from its first moment to its first token. */
public final class ColdStartBenchmark {
    private static final Pattern PHASE = Pattern.compile("hydra_start_seconds\\{phase=\"(\\w+)\"\\} (\\S+)");
    private static final String ONE_TOKEN = "{\"prompt\":\"def f(\",\"max_tokens\":1,\"temperature\":0}";
    private static final Duration PATIENCE = Duration.ofMinutes(30);
    private static final int POLL_MILLIS = 5;

    /** Whether the kernel still holds the files of the start before. */
    public enum Files {
        WARM,
        COLD
    }

    /**
     * One part of the start.
     *
     * @param phase as the server's metrics call it; {@code answer}, {@code probe} and {@code token} are seen from
     *     outside: the first HTTP answer of any kind, readiness, and the first token
     * @param time ms, over all starts
     */
    public record Line(Files files, String phase, Summary time) {}

    private final List<String> command;
    private final List<Path> places;

    /**
     * A benchmark of a command.
     *
     * @param command starts a server; {@code --port N} is added
     * @param places files and folders that a cold start reads
     */
    public ColdStartBenchmark(List<String> command, List<Path> places) {
        this.command = command;
        this.places = places;
    }

    /** Starts a server so many times, and tells {@code done} after each. */
    public List<Line> run(Files files, int starts, IntConsumer done) {
        Map<String, List<Double>> measured = new LinkedHashMap<>();
        for (int start = 0; start < starts; start++) {
            try {
                if (files == Files.COLD) {
                    PageCache.forget(places);
                }
                start().forEach((phase, millis) -> measured.computeIfAbsent(phase, ignored -> new ArrayList<>())
                        .add(millis));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted", e);
            }
            done.accept(start + 1);
        }
        List<Line> lines = new ArrayList<>();
        measured.forEach((phase, millis) -> lines.add(new Line(
                files,
                phase,
                Summary.of(millis.stream().mapToDouble(Double::doubleValue).toArray()))));
        return lines;
    }

    private Map<String, Double> start() throws IOException, InterruptedException {
        LocalServer server = LocalServer.atFreePort();
        List<String> words = new ArrayList<>(command);
        words.addAll(List.of("--port", String.valueOf(server.port())));
        Map<String, Double> millis = new LinkedHashMap<>();
        long begin = System.nanoTime();
        Process process = new ProcessBuilder(words)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            int status;
            while ((status = server.get("/q/health/ready").status()) != 200) {
                if (status > 0) {
                    millis.putIfAbsent("answer", since(begin));
                }
                if (!process.isAlive()) {
                    throw new IOException("the server ended with exit code " + process.exitValue() + ": try "
                            + String.join(" ", words));
                }
                if (since(begin) > PATIENCE.toMillis()) {
                    throw new IOException("the server was not ready within " + PATIENCE.toMinutes() + " minutes");
                }
                Thread.sleep(POLL_MILLIS);
            }
            millis.putIfAbsent("answer", since(begin));
            millis.put("probe", since(begin));
            if (server.post("/v1/completions", ONE_TOKEN).status() != 200) {
                throw new IOException("the server is ready and generates nothing");
            }
            millis.put("token", since(begin));
            Matcher phases = PHASE.matcher(server.get("/q/metrics").body());
            while (phases.find()) {
                millis.put(phases.group(1), 1000 * Double.parseDouble(phases.group(2)));
            }
            return millis;
        } finally {
            process.destroy();
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        }
    }

    private static double since(long begin) {
        return (System.nanoTime() - begin) / 1e6;
    }
}
