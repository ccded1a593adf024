package dev.hydrallm.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.ModelFormatException;
import java.io.IOException;
import java.io.StringReader;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;

final class TrainerTest {
    private static final Map<String, String> IDENTITY = Map.of("--seed", "1");

    @TempDir
    Path folder;

    private final List<String> notices = new ArrayList<>();
    private final List<Trainer.Progress> progress = new ArrayList<>();

    @Test
    void headsLearnWhatIsThereToLearn() throws Exception {
        FakeLearner learner = new FakeLearner(7, 2);
        // A cycle of tokens: every head can know all of it.
        Samples samples = new FakeSamples(Stream.generate(
                        () -> new Sample(new int[] {0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6}, labels(14)))
                .limit(8)
                .toList());

        train(learner, samples, options(0.3, 100), care(1, 50));

        JsonNode first = training().getFirst();
        JsonNode last = training().getLast();
        assertThat(first.path("medusa0_loss").asDouble()).isCloseTo(Math.log(7), within(1e-6));
        assertThat(first.path("loss").asDouble()).isCloseTo(2 * Math.log(7), within(1e-6));
        assertThat(last.path("loss").asDouble()).isLessThan(0.05);
        assertThat(last.path("medusa1_top1").asDouble()).isEqualTo(1);
        assertThat(last.path("medusa1_top5").asDouble()).isEqualTo(1);
        assertThat(last.path("step").asLong()).isEqualTo(100);
        assertThat(last.path("learning_rate").asDouble()).isLessThan(0.001);
        assertThat(last.path("tokens").asLong()).isEqualTo(4 * 14);
        assertThat(progress).hasSize(100);
        assertThat(progress.getLast().top1()).containsExactly(1.0, 1.0);
    }

    @Test
    void aHeadsLossIsTheMeanOverTheLabelsOfTheWholeStep() throws Exception {
        List<Sample> texts = FakeSamples.random(8, 5).samples();
        Samples samples = new FakeSamples(texts);

        FakeLearner whole = new FakeLearner(5, 2);
        train(whole, samples, new TrainingOptions(8, 1, 1, 3, 0.1, 0, Schedule.CONSTANT, 0, 1, 1, 1), care(1, 9));
        FakeLearner parts = new FakeLearner(5, 2);
        Path before = folder;
        folder = folder.resolve("parts");
        train(parts, samples, new TrainingOptions(2, 4, 1, 3, 0.1, 0, Schedule.CONSTANT, 0, 1, 1, 1), care(1, 9));
        folder = before;

        assertThat(values(parts)).hasSameSizeAs(values(whole));
        for (int i = 0; i < values(whole).length; i++) {
            assertThat(values(parts)[i]).isCloseTo(values(whole)[i], within(1e-5f));
        }
    }

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

        assertThat(told(broken)).isEqualTo(told(straight));
        assertThat(notices).contains("going on after step 8 of 60 in " + broken);
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
        assertThat(told(killed)).isEqualTo(told(straight));
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

        assertThat(notices).anyMatch(line -> line.contains("checkpoint-00000022 is damaged"));
        assertThat(notices).anyMatch(line -> line.startsWith("going on after step 20 "));
        assertThat(told(run)).isEqualTo(told(straight));
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

    @Test
    void whenOneOfTheWritesFailsThereIsAWholeCheckpoint() throws Exception {
        for (String stage : List.of("create", "tensors", "state", "move", "delete", "delete one")) {
            Path run = Files.createDirectories(folder.resolve(stage));
            FakeLearner learner = new FakeLearner(3, 1);
            Snapshots good = new Snapshots(run);
            for (int step = 1; step <= 2; step++) {
                set(learner, step);
                good.save(learner, step, 0, Window.EMPTY);
            }
            set(learner, 3);
            Snapshots failing = new Snapshots(run, each -> {
                if (each.equals(stage)) {
                    throw new IOException("no space left on device");
                }
            });
            assertThatThrownBy(() -> failing.save(learner, 3, 0, Window.EMPTY)).hasMessageContaining("no space");

            Snapshots.State state = good.load(learner, notices::add).orElseThrow();
            assertThat(state.step()).as(stage).isEqualTo(stage.startsWith("delete") ? 3 : 2);
            assertThat(values(learner)).containsOnly((float) state.step());
            set(learner, 4);
            good.save(learner, 4, 0, Window.EMPTY);
            assertThat(good.load(learner, notices::add).orElseThrow().step()).isEqualTo(4);
        }
        assertThat(notices).isEmpty();
    }

    @Test
    void withoutAWholeCheckpointItSaysSo() throws Exception {
        FakeLearner learner = new FakeLearner(3, 1);
        Snapshots snapshots = new Snapshots(folder);
        snapshots.save(learner, 1, 0, Window.EMPTY);
        Files.writeString(folder.resolve("checkpoint-00000001/state.json"), "{\"step\": ");

        assertThatThrownBy(() -> snapshots.load(learner, notices::add))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("none of its 1 checkpoints is whole");
    }

    @Test
    void gradientsThatAreNoNumbersEndIt() {
        FakeLearner learner = new FakeLearner(5, 1);
        learner.broken = Double.NaN;

        assertThatThrownBy(() -> train(learner, FakeSamples.random(4, 5), options(0.1, 100), care(1, 5)))
                .isInstanceOf(ArithmeticException.class)
                .hasMessageContaining("no number for 20 steps up to step 20");
    }

    @Test
    void statesOfTheBaseAreReadOnce() throws Exception {
        Samples samples = FakeSamples.random(20, 5);
        FakeLearner first = new FakeLearner(5, 2);
        RunFolder run = RunFolder.open(folder.resolve("a"), IDENTITY, RunFolder.Resume.AUTO);
        new Trainer(first, samples, options(0.1, 30), run, care(1, 50), listener())
                .keepingStates(folder.resolve("states"), "base")
                .run(TrainerTest::zeros, () -> false);
        FakeLearner second = new FakeLearner(5, 2);
        run = RunFolder.open(folder.resolve("b"), IDENTITY, RunFolder.Resume.AUTO);
        new Trainer(second, samples, options(0.1, 30), run, care(1, 50), listener())
                .keepingStates(folder.resolve("states"), "base")
                .run(TrainerTest::zeros, () -> false);
        FakeLearner other = new FakeLearner(5, 2);
        run = RunFolder.open(folder.resolve("c"), IDENTITY, RunFolder.Resume.AUTO);
        new Trainer(other, samples, options(0.1, 30), run, care(1, 50), listener())
                .keepingStates(folder.resolve("states"), "another base")
                .run(TrainerTest::zeros, () -> false);

        // The first epoch's 10 batches; a later batch of some samples that are there and some that are not is read,
        // too.
        assertThat(first.reads).isEqualTo(10);
        assertThat(second.reads).isZero();
        assertThat(other.reads).isEqualTo(10);
        assertThat(values(second)).isEqualTo(values(first));
    }

    @Test
    void aBatchWithMoreStatesThanAnArrayHoldsIsRefusedInWords() throws Exception {
        Samples samples = new FakeSamples(
                List.of(new Sample(new int[16], new boolean[16]), new Sample(new int[16], new boolean[16])));
        int[] both = {0, 1};
        try (StateCache cache = StateCache.open(folder, "key", samples, 70_000_000, notices::add)) {
            assertThatThrownBy(() -> cache.states(new FakeLearner(5, 2), both, List.of()))
                    .hasMessageContainingAll("take 2.2 GB", "--per-device-train-batch-size");
        }
    }

    @Test
    void damagedStatesAreMadeAnew() throws Exception {
        Samples samples = FakeSamples.random(6, 5);
        FakeLearner learner = new FakeLearner(5, 1);
        int[] all = {0, 1, 2, 3, 4, 5};
        List<Sample> batch = FakeSamples.random(6, 5).samples();
        try (StateCache cache = StateCache.open(folder, "key", samples, 4, notices::add)) {
            cache.states(learner, all, batch).close();
            assertThat(cache.made()).isEqualTo(6);
        }
        Path file;
        try (Stream<Path> files = Files.list(folder)) {
            file = files.findFirst().orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 2] ^= 4;
        Files.write(file, bytes);
        try (StateCache cache = StateCache.open(folder, "key", samples, 4, notices::add)) {
            byte[] states = learner.stored(cache.states(learner, all, batch));
            assertThat(states).isEqualTo(learner.stored(learner.read(batch)));
            assertThat(cache.made()).isEqualTo(6);
            assertThatThrownBy(() -> StateCache.open(folder, "key", samples, 4, notices::add))
                    .hasMessageContaining("another run works on it");
        }
        Files.write(file, new byte[] {1}, StandardOpenOption.APPEND);
        try (StateCache cache = StateCache.open(folder, "key", samples, 4, notices::add)) {
            assertThat(notices.getLast()).startsWith("keeping");
            assertThat(notices).anyMatch(line -> line.endsWith("is damaged; making it anew"));
            cache.states(learner, all, batch).close();
            cache.states(learner, new int[] {3}, batch.subList(3, 4)).close();
            assertThat(cache.found()).isEqualTo(1);
        }
    }

    @Test
    void theReportIsAPageOfItsOwn() throws Exception {
        TrainingChild.train(folder.resolve("run"), null, 0);

        String html = Files.readString(folder.resolve("run/report.html"));
        DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(html.substring(html.indexOf("<html")))));
        assertThat(html)
                .contains(
                        "Training of 3 draft heads", "Loss by head", "Held-out loss by head", "Learning rate", "--seed")
                .doesNotContain("NaN", "<script", "src=", "href=");
    }

    static void zeros(Learner.Parameter parameter, FloatBuffer into) {
        while (into.hasRemaining()) {
            into.put(0);
        }
    }

    private static boolean[] labels(int count) {
        boolean[] labels = new boolean[count];
        java.util.Arrays.fill(labels, true);
        return labels;
    }

    private static TrainingOptions options(double rate, long steps) {
        return new TrainingOptions(2, 2, 1, steps, rate, 0.1, Schedule.COSINE, 0, 1, 1, 1);
    }

    private static Trainer.Care care(int logging, int saving) {
        return new Trainer.Care(logging, saving, 0);
    }

    private static org.assertj.core.data.Offset<Double> within(double offset) {
        return org.assertj.core.data.Offset.offset(offset);
    }

    private static org.assertj.core.data.Offset<Float> within(float offset) {
        return org.assertj.core.data.Offset.offset(offset);
    }

    private void train(FakeLearner learner, Samples samples, TrainingOptions options, Trainer.Care care)
            throws IOException {
        try (RunFolder run = RunFolder.open(folder.resolve("run"), IDENTITY, RunFolder.Resume.AUTO)) {
            new Trainer(learner, samples, options, run, care, listener()).run(TrainerTest::zeros, () -> false);
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
                            listener())
                    .holdingOut(FakeSamples.random(5, TrainingChild.VOCABULARY))
                    .run(TrainerTest::zeros, stop);
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

    private Trainer.Listener listener() {
        return new Trainer.Listener() {
            @Override
            public void progress(Trainer.Progress step) {
                progress.add(step);
            }

            @Override
            public void notice(String line) {
                notices.add(line);
            }
        };
    }

    private List<JsonNode> training() throws IOException {
        return MetricsLog.lines(folder.resolve("run/metrics.jsonl")).stream()
                .filter(line -> line.has("loss"))
                .toList();
    }

    /** The metrics without times. */
    private static List<JsonNode> told(Path run) throws IOException {
        List<JsonNode> lines = MetricsLog.lines(run.resolve("metrics.jsonl"));
        lines.forEach(line -> ((ObjectNode) line).remove(List.of("seconds", "tokens_per_second")));
        assertThat(lines).hasSizeGreaterThan(20);
        return lines;
    }

    private static void set(FakeLearner learner, float value) {
        for (Learner.Parameter parameter : learner.parameters()) {
            for (Learner.Part part : Learner.Part.values()) {
                FloatBuffer numbers =
                        FloatBuffer.allocate(parameter.shape()[0] * parameter.shape()[1]);
                while (numbers.hasRemaining()) {
                    numbers.put(value);
                }
                learner.set(parameter, part, numbers.flip());
            }
        }
    }

    private static float[] values(FakeLearner learner) {
        FloatBuffer all = FloatBuffer.allocate(learner.vocabulary * learner.vocabulary * learner.heads());
        learner.parameters().forEach(parameter -> learner.export(parameter, Learner.Part.VALUE, all));
        return all.array();
    }
}
