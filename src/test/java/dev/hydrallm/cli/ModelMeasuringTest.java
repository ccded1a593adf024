package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.evaluation.ModelEvaluation;
import dev.hydrallm.evaluation.Part;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelMeasuringTest {
    private static final String ENDED = "the command was ended before";

    @TempDir
    Path folder;

    private static ModelOptions demo() {
        ModelOptions options = new ModelOptions();
        options.model = Path.of("models/demo");
        options.threads = 1;
        return options;
    }

    /** Each question whether to go on is one; what is at work when the answer is no is left, and has no figure. */
    @Test
    void whatIsMeasuredWhenTheCommandIsEndedStays() {
        AllCommand command = new AllCommand();
        command.repeats = 2;
        command.tokens = 4;
        AtomicInteger asked = new AtomicInteger();
        // The model, its loading before and after each of two repeats, its speed and that of the first pass.
        List<ModelEvaluation> models = new ModelMeasuring(command, null, List.of(), () -> asked.incrementAndGet() > 5)
                .all(List.of(demo(), demo()));
        assertThat(models).hasSize(2);
        ModelEvaluation first = models.getFirst();
        assertThat(first.profile().found()).isPresent();
        assertThat(first.load().found()).isPresent();
        assertThat(first.foresight()).isEqualTo(new Part.Gap<>("no --text was given"));
        assertThat(first.speed()).isEqualTo(new Part.Gap<>(ENDED));
        assertThat(first.compression()).isEqualTo(new Part.Gap<>(ENDED));
        assertThat(models.getLast().profile()).isEqualTo(new Part.Gap<>(ENDED));
        assertThat(models.getLast().load()).isEqualTo(new Part.Gap<>(ENDED));
    }

    @Test
    void ctrlCLeavesAPageOfWhatThereIs() throws Exception {
        Path report = folder.resolve("report.html");
        Path log = folder.resolve("log");
        Process child =
                CliRun.start(log, "eval", "all", "models/demo", "--threads", 1, "--repeats", 300, "--report", report);
        while (child.isAlive() && !Files.readString(log).contains("Loading")) {
            Thread.sleep(20);
        }
        CliRun.interrupt(child);
        assertThat(child.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(child.exitValue()).as(Files.readString(log)).isEqualTo(Cli.INTERRUPTED);
        assertThat(log).content().contains("ending, with what is measured so far", "the page is " + report);
        assertThat(report)
                .content()
                .contains("The command was ended before all was measured", "no load, " + ENDED, "no speed, " + ENDED);
    }
}
