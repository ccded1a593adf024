package dev.hydrallm.natives;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** How the kernels' library gets into the process: from memory, or from a file where a folder allows it. */
@Timeout(120)
class LibraryLoaderTest {
    @TempDir
    Path folder = Path.of("");

    private record Outcome(int exit, String errors) {}

    private Outcome generate(Path temporary) throws IOException, InterruptedException {
        List<String> command = List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
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

    private static byte[] library() throws IOException {
        try (InputStream in = NativeLibrary.class.getResourceAsStream("libhydra.so")) {
            assumeTrue(in != null, "there are no kernels");
            return in.readAllBytes();
        }
    }

    @Test
    void fromMemoryNoFolderIsNeeded() throws Exception {
        assumeTrue(NativeLibrary.find().isPresent(), "there are no kernels");
        Outcome outcome = generate(folder.resolve("gone"));
        assertThat(outcome.errors).doesNotContain("hydra: ");
        assertThat(outcome.exit).isZero();
        assertThat(openFiles()).as("left open").noneMatch(target -> target.contains("hydra-kernels"));
    }

    private static List<String> openFiles() throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors
                    .map(descriptor -> {
                        try {
                            return Files.readSymbolicLink(descriptor).toString();
                        } catch (IOException e) {
                            return ""; // closed meanwhile
                        }
                    })
                    .toList();
        }
    }

    @Test
    void fromAFileNoFileIsLeft() throws Exception {
        assertThat(LibraryLoader.fromFile(library(), folder).find("hydra_level"))
                .isPresent();
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void aLibraryThatCannotBeUnpackedSaysWhatToDo() throws Exception {
        byte[] library = library();
        Path gone = folder.resolve("gone");
        assertThatThrownBy(() -> LibraryLoader.fromFile(library, gone))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll(
                        "the kernels cannot be loaded from " + gone, "-Djava.io.tmpdir=FOLDER", "--engine torch");
    }

    @Test
    void whatIsNoLibraryIsRefused() {
        // Not from memory: the system takes an anonymous file for one that it loaded if both have the same number.
        assertThatThrownBy(() -> LibraryLoader.fromFile(new byte[] {1, 2, 3}, folder))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("the kernels cannot be loaded from " + folder);
    }
}
