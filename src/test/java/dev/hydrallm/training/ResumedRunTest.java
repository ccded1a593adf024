package dev.hydrallm.training;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs that are stopped, killed or find damage come to the same losses. */
final class ResumedRunTest {
    @TempDir
    Path folder;

    private final Told told = new Told();

    @Test
    void aRunThatWasStoppedComesToTheSameLosses() throws Exception {
        Path straight = folder.resolve("straight");
        Path broken = folder.resolve("broken");
        assertThat(TrainingChild.train(straight, null, 0)).isEqualTo(Trainer.Outcome.FINISHED);

        for (int stopAt : new int[] {1, 7, 8, 20, 59}) {
            AtomicInteger asked = new AtomicInteger();
            assertThat(part(broken, () -> asked.incrementAndGet() > stopAt - last(broken)))
                    .isEqualTo(Trainer.Outcome.STOPPED);
        }
        assertThat(part(broken, () -> false)).isEqualTo(Trainer.Outcome.FINISHED);

        assertThat(metrics(broken)).isEqualTo(metrics(straight));
        assertThat(told.notices).contains("going on after step 8 of 60 in " + broken);
    }

    /** Also with a checkpoint, a line of the metrics or a sample's states half written. */
    @Test
    void aRunThatIsKilledComesToTheSameLosses() throws Exception {
        Path straight = folder.resolve("straight");
        TrainingChild.train(straight, null, 0);
        Path killed = folder.resolve("killed");
        Path states = folder.resolve("states");
        Random random = new Random();
        int kills = 0;
        int code = -1;
        while (code != 0) {
            Process child = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-XX:TieredStopAtLevel=1",
                            "-cp",
                            System.getProperty("java.class.path"),
                            TrainingChild.class.getName(),
                            killed.toString(),
                            states.toString())
                    .redirectErrorStream(true)
                    .redirectOutput(folder.resolve("child.log").toFile())
                    .start();
            if (kills < 6) {
                waitForMore(child, killed);
                if (!child.waitFor(random.nextInt(60), TimeUnit.MILLISECONDS)) {
                    child.destroyForcibly();
                    kills++;
                }
            }
            code = child.waitFor();
            assertThat(code).as(Files.readString(folder.resolve("child.log"))).isIn(0, 137);
        }

        assertThat(kills).isGreaterThanOrEqualTo(3);
        assertThat(metrics(killed)).isEqualTo(metrics(straight));
    }

    /** Until it is at work. */
    private static void waitForMore(Process child, Path run) throws Exception {
        Path metrics = run.resolve("metrics.jsonl");
        long size = Files.exists(metrics) ? Files.size(metrics) : 0;
        long since = Files.exists(metrics) ? Files.getLastModifiedTime(metrics).toMillis() : 0;
        while (child.isAlive()
                && (!Files.exists(metrics)
                        || (Files.size(metrics) == size
                                && Files.getLastModifiedTime(metrics).toMillis() == since))) {
            Thread.sleep(2);
        }
    }

    @Test
    void aDamagedCheckpointIsLeftForTheOneBefore() throws Exception {
        Path straight = folder.resolve("straight");
        TrainingChild.train(straight, null, 0);
        Path run = folder.resolve("run");
        AtomicInteger asked = new AtomicInteger();
        part(run, () -> asked.incrementAndGet() > 22);
        Path newest = run.resolve("checkpoint-00000022/state.safetensors");
        byte[] bytes = Files.readAllBytes(newest);
        bytes[bytes.length - 9] ^= 1;
        Files.write(newest, bytes);

        part(run, () -> false);

        assertThat(told.notices).anyMatch(line -> line.contains("checkpoint-00000022 is damaged"));
        assertThat(told.notices).anyMatch(line -> line.startsWith("going on after step 20 "));
        assertThat(metrics(run)).isEqualTo(metrics(straight));
    }

    @Test
    void twoCheckpointsAreKept() throws Exception {
        TrainingChild.train(folder.resolve("run"), null, 0);

        try (Stream<Path> entries = Files.list(folder.resolve("run"))) {
            assertThat(entries.map(entry -> entry.getFileName().toString()))
                    .containsExactlyInAnyOrder(
                            "run.json",
                            "run.lock",
                            "metrics.jsonl",
                            "report.html",
                            "checkpoint-00000055",
                            "checkpoint-00000060");
        }
    }

    private Trainer.Outcome part(Path run, java.util.function.BooleanSupplier stop) throws IOException {
        try (RunFolder opened = RunFolder.open(run, Map.of("--seed", "5"), RunFolder.Resume.AUTO)) {
            return new Trainer(
                            new FakeLearner(TrainingChild.VOCABULARY, 3),
                            FakeSamples.random(40, TrainingChild.VOCABULARY),
                            TrainingChild.OPTIONS,
                            opened,
                            new Trainer.Care(3, 5, 0),
                            told)
                    .holdingOut(FakeSamples.random(5, TrainingChild.VOCABULARY))
                    .run(FakeLearner::zeros, stop);
        }
    }

    /** The step of the last checkpoint. */
    private static int last(Path run) {
        try (Stream<Path> entries = Files.list(run)) {
            return entries.map(entry -> entry.getFileName().toString())
                    .filter(name -> name.startsWith("checkpoint-"))
                    .mapToInt(name -> Integer.parseInt(name.substring(11)))
                    .max()
                    .orElse(0);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** The metrics without times. */
    private static List<JsonNode> metrics(Path run) throws IOException {
        List<JsonNode> lines = MetricsLog.lines(run.resolve("metrics.jsonl"));
        lines.forEach(line -> ((ObjectNode) line).remove(List.of("seconds", "tokens_per_second")));
        assertThat(lines).hasSizeGreaterThan(20);
        return lines;
    }
}
