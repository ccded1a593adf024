package dev.hydrallm.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;

/** What a run does to heads, and what it says. */
final class TrainerTest {
    private static final Map<String, String> IDENTITY = Map.of("--seed", "1");

    @TempDir
    Path folder;

    private final Told told = new Told();

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
        assertThat(told.progress).hasSize(100);
        assertThat(told.progress.getLast().top1()).containsExactly(1.0, 1.0);
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

        assertThat(parts.values()).hasSameSizeAs(whole.values());
        for (int i = 0; i < whole.values().length; i++) {
            assertThat(parts.values()[i]).isCloseTo(whole.values()[i], within(1e-5f));
        }
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
            new Trainer(learner, samples, options, run, care, told).run(FakeLearner::zeros, () -> false);
        }
    }

    private List<JsonNode> training() throws IOException {
        return MetricsLog.lines(folder.resolve("run/metrics.jsonl")).stream()
                .filter(line -> line.has("loss"))
                .toList();
    }
}
