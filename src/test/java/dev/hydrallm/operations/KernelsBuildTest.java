package dev.hydrallm.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The script that compiles the kernels, with and without a compiler. */
@EnabledOnOs(OS.LINUX)
final class KernelsBuildTest {
    private static final Path SCRIPT = Path.of("src", "main", "c", "build").toAbsolutePath();

    private record Outcome(int exit, String errors) {}

    @TempDir
    Path folder = Path.of("");

    private Path target() {
        return folder.resolve("new").resolve("libhydra.so");
    }

    private Outcome build(Map<String, String> environment) throws IOException, InterruptedException {
        Path errors = folder.resolve("errors");
        ProcessBuilder builder = new ProcessBuilder(SCRIPT.toString(), target().toString())
                .redirectError(errors.toFile())
                .redirectOutput(folder.resolve("output").toFile());
        builder.environment().clear();
        builder.environment().putAll(environment);
        int exit = builder.start().waitFor();
        return new Outcome(exit, Files.readString(errors));
    }

    /** A path with the tools of every system, and with no compiler. */
    private Path tools() throws IOException {
        Path tools = Files.createDirectories(folder.resolve("bin"));
        for (String tool : List.of("dirname", "mkdir")) {
            Files.createSymbolicLink(tools.resolve(tool), Path.of("/usr/bin", tool));
        }
        return tools;
    }

    @Test
    void withoutACompilerItWarnsAndTheBuildGoesOn() throws Exception {
        Outcome outcome = build(Map.of("PATH", tools().toString()));
        assertThat(outcome.exit).isZero();
        assertThat(outcome.errors).startsWith("WARNING: no C compiler").contains("libtorch");
        assertThat(target()).doesNotExist();
    }

    @Test
    void aCompilerThatFailsEndsTheBuild() throws Exception {
        Path broken =
                Files.writeString(folder.resolve("broken"), "#!/bin/sh\necho 'it does not compile' >&2\nexit 3\n");
        assertThat(broken.toFile().setExecutable(true)).isTrue();
        Outcome outcome = build(Map.of("PATH", tools().toString(), "CC", broken.toString()));
        assertThat(outcome.exit).isEqualTo(3);
        assertThat(outcome.errors).contains("it does not compile");
    }

    @Test
    void aCompilerMakesTheLibrary() throws Exception {
        String path = System.getenv("PATH");
        assumeTrue(
                Files.isExecutable(Path.of("/usr/bin/cc")) || Files.isExecutable(Path.of("/usr/bin/gcc")),
                "no C compiler");
        Outcome outcome = build(Map.of("PATH", path == null ? "/usr/bin" : path));
        assertThat(outcome).isEqualTo(new Outcome(0, ""));
        assertThat(target()).isNotEmptyFile();
    }
}
