package dev.hydrallm.hub;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The lock against util-linux's {@code flock}, which calls what Python's filelock calls. */
class ProcessLockTest {
    @TempDir
    Path directory;

    @Test
    void whoHoldsTheLockElsewhereIsWaitedFor() throws Exception {
        Path file = directory.resolve("a.lock");
        Process holder =
                new ProcessBuilder("flock", file.toString(), "sh", "-c", "echo locked; read line; echo done").start();
        BufferedReader out = holder.inputReader();
        assertThat(out.readLine()).isEqualTo("locked");
        List<String> told = new ArrayList<>();
        ProcessLock.with(
                file,
                () -> {
                    told.add("waiting");
                    goOn(holder);
                },
                () -> told.add(out.readLine()));
        assertThat(told).containsExactly("waiting", "done");
    }

    @Test
    void othersAreKeptOutMeanwhileAndLetInThen() throws Exception {
        Path file = directory.resolve("locks/a.lock");
        ProcessLock.with(file, () -> {}, () -> assertThat(tryToLock(file)).isEqualTo(1));
        assertThat(tryToLock(file)).isZero();
    }

    private static int tryToLock(Path file) throws IOException {
        try {
            return new ProcessBuilder("flock", "-n", file.toString(), "true")
                    .start()
                    .waitFor();
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private static void goOn(Process process) {
        try {
            process.outputWriter().write("go on\n");
            process.outputWriter().flush();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
