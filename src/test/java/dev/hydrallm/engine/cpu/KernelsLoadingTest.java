package dev.hydrallm.engine.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The program where the kernels' library cannot become a file: a read-only root, say, or a folder that is gone. */
@Timeout(120)
class KernelsLoadingTest {
    @TempDir
    Path folder = Path.of("");

    private record Outcome(int exit, String errors) {}

    private Outcome generate(Path temporary) throws IOException, InterruptedException {
        List<String> command = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Djava.io.tmpdir=" + temporary,
                "-cp",
                System.getProperty("java.class.path"),
                "dev.hydrallm.cli.Main",
                "generate",
                "--prompt",
                "def f(",
                "--max-tokens",
                "1");
        Path errors = folder.resolve("errors");
        Process process = new ProcessBuilder(command)
                .redirectError(errors.toFile())
                .redirectOutput(folder.resolve("output").toFile())
                .start();
        int exit = process.waitFor();
        return new Outcome(exit, Files.readString(errors));
    }

    @Test
    void aLibraryThatCannotBeUnpackedIsOneLineThatSaysWhatToDo() throws Exception {
        assumeTrue(Kernels.ofProcessor().isPresent(), "there are no kernels");
        Path gone = folder.resolve("gone");
        Outcome outcome = generate(gone);
        assertThat(outcome.errors.lines().filter(line -> line.startsWith("hydra: ")))
                .singleElement()
                .asString()
                .contains("the kernels cannot be loaded from " + gone, "-Djava.io.tmpdir=FOLDER", "--engine torch");
        assertThat(outcome.errors).doesNotContain("Exception in thread", "\tat ");
        assertThat(outcome.exit).isEqualTo(1);
    }
}
