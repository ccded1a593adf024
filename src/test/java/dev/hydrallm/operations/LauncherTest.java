package dev.hydrallm.operations;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** The launcher, in a folder of its own with a Java and a Maven that only say what they were asked to do. */
@EnabledOnOs(OS.LINUX)
final class LauncherTest {
    /** Prints its arguments, one a line. */
    private static final String FAKE_JAVA = """
            [ -n "${FAKE_CACHE:-}" ] && for each in "$@"; do
                case $each in -XX:AOTCacheOutput=*) : >"${each#*=}" ;; esac
            done
            printf '%s\\n' "$@"
            """;

    private static final String FAKE_MAVEN = """
            case "$*" in *--version*) echo "Apache Maven ${FAKE_MAVEN_VERSION:-3.8.7} (x)"; exit 0 ;; esac
            echo "$*" >>"$FAKE_LOG"
            echo "[ERROR] something does not compile"
            mkdir -p target/surefire-reports "$FAKE_HOME/target/quarkus-app"
            : >"$FAKE_HOME/target/quarkus-app/quarkus-run.jar"
            cat >target/surefire-reports/TEST-a.xml <<'END'
            <testsuite name="a" errors="0" failures="1">
              <testcase name="good" classname="a.A" time="0.1"/>
              <testcase name="bad" classname="a.A">
                <error message="no"/>
              </testcase>
              <testcase name="worse" classname="a.A">
                <failure message="no"/>
                <system-out>&lt;error</system-out>
              </testcase>
              <testcase name="absent" classname="a.A">
                <skipped message="the &quot;models&quot; &amp; more are absent"/>
              </testcase>
              <testcase name="assumed" classname="a.A">
                <skipped type="b.C"><![CDATA[b.C: Assumption failed: no browser
                at b.C]]></skipped>
              </testcase>
            </testsuite>
            END
            exit "${FAKE_MAVEN_EXIT:-0}"
            """;

    private record Outcome(int exit, String out, String err) {}

    @TempDir
    Path folder = Path.of("");

    private Path home = Path.of("");
    private final Map<String, String> environment = new HashMap<>();

    @BeforeEach
    void install() throws IOException {
        home = Files.createDirectories(folder.resolve("a place with spaces"));
        Files.copy(Path.of("hydra"), home.resolve("hydra"), StandardCopyOption.COPY_ATTRIBUTES);
        Files.createDirectories(home.resolve("src/main"));
        Files.writeString(home.resolve("pom.xml"), "");
        script("jdk/bin/java", FAKE_JAVA);
        script("jdk/bin/javac", "");
        Files.writeString(folder.resolve("jdk/release"), "JAVA_VERSION=\"25.0.1\"\n");
        script("maven/bin/mvn", FAKE_MAVEN);
        environment.put("JAVA_HOME", folder.resolve("jdk").toString());
        environment.put("MAVEN_HOME", folder.resolve("maven").toString());
        environment.put("FAKE_HOME", home.toString());
        environment.put("FAKE_LOG", folder.resolve("maven.log").toString());
    }

    @Test
    void argumentsAndTheFolderArriveWhole() throws Exception {
        Outcome outcome = run("generate", "--prompt", "two words", "*");
        assertThat(outcome.exit).isZero();
        assertThat(outcome.out.lines())
                .containsSubsequence("-Dhydra.home=" + home, "generate", "--prompt", "two words", "*");
    }

    @Test
    void theServerRunsOnTheClassesThatItRehearsed() throws Exception {
        environment.put("FAKE_CACHE", "1");
        assertThat(run("serve", "--port", "1").out.lines())
                .containsSubsequence("-XX:AOTCache=" + home.resolve("target/hydra.aot"), "-cp", "serve", "--port", "1");
    }

    @Test
    void aCacheOfAnotherProgramIsNotUsed() throws Exception {
        environment.put("FAKE_CACHE", "1");
        assertThat(run("--version").out).contains("-XX:AOTCache=");
        Files.setLastModifiedTime(
                home.resolve("target/quarkus-app/quarkus-run.jar"),
                FileTime.from(Instant.now().plusSeconds(60)));
        assertThat(run("--version").out).doesNotContain("-XX:AOTCache=");
    }

    @Test
    void whatLivesLongOrHashesGigabytesGetsBothCompilers() throws Exception {
        String first = "-XX:TieredStopAtLevel=1";
        assertThat(run("generate", "--prompt", "eval").out.lines()).contains(first);
        assertThat(run("inspect", "--help").out.lines()).contains(first);
        assertThat(run("generate", "--model", "x").out.lines()).doesNotContain(first);
        for (String command : List.of("serve", "bench", "eval", "data", "train", "chat", "pack", "pull", "push")) {
            assertThat(run(command).out.lines()).contains(command).doesNotContain(first);
        }
    }

    @Test
    void aLinkFromElsewhereFindsTheFolder() throws Exception {
        Path links = Files.createDirectories(folder.resolve("bin"));
        Files.createSymbolicLink(links.resolve("first"), Path.of("../a place with spaces/hydra"));
        Files.createSymbolicLink(links.resolve("second"), links.resolve("first"));
        Outcome outcome = start(links.resolve("second").toString(), "--version").await();
        assertThat(outcome.out.lines()).contains("-Dhydra.home=" + home, "--version");
    }

    @Test
    void withoutANewEnoughJdkItSaysWhatToInstall() throws Exception {
        Path launcher = home.resolve("hydra");
        Files.writeString(launcher, Files.readString(launcher).replace("JAVA_NEEDED=25", "JAVA_NEEDED=99"));
        Outcome outcome = run("--version");
        assertThat(outcome.exit).isEqualTo(1);
        assertThat(outcome.out).isEmpty();
        assertThat(outcome.err).startsWith("hydra: no JDK 99 or newer found").contains("set JAVA_HOME");
    }

    @Test
    void anotherPlatformIsNamedWithWhatItLacks() throws Exception {
        script("fakes/uname", "[ \"$1\" = -s ] && echo Darwin || echo arm64");
        environment.put("PATH", folder.resolve("fakes") + ":" + System.getenv("PATH"));
        Outcome outcome = run("--version");
        assertThat(outcome.exit).isEqualTo(1);
        assertThat(outcome.err).contains("Darwin arm64").contains("pytorch-native-cpu");
    }

    @Test
    void anOldMavenIsRefusedByItsVersion() throws Exception {
        environment.put("FAKE_MAVEN_VERSION", "3.6.3");
        Outcome outcome = run("--version");
        assertThat(outcome.exit).isEqualTo(1);
        assertThat(outcome.err).contains("Maven 3.8.6 or newer is needed").contains("is 3.6.3");
    }

    @Test
    void itBuildsOnlyWhatIsNewer() throws Exception {
        Path source = Files.writeString(home.resolve("src/main/A.java"), "");
        assertThat(run("--version").err).contains("Building Hydra").contains("Built.");
        assertThat(run("--version").err).isEmpty();
        assertThat(builds()).hasSize(1);
        Files.setLastModifiedTime(source, FileTime.from(Instant.now().plusSeconds(60)));
        run("--version");
        assertThat(builds()).hasSize(2);
    }

    @Test
    void twoFirstStartsBuildOnce() throws Exception {
        Running first = start(home.resolve("hydra").toString(), "one");
        Running second = start(home.resolve("hydra").toString(), "two");
        assertThat(first.await().out.lines()).contains("one");
        assertThat(second.await().out.lines()).contains("two");
        assertThat(builds()).hasSize(1);
    }

    @Test
    void aFailedBuildShowsItsErrorsAndIsTriedAgain() throws Exception {
        environment.put("FAKE_MAVEN_EXIT", "1");
        Outcome outcome = run("--version");
        assertThat(outcome.exit).isEqualTo(1);
        assertThat(outcome.out).isEmpty();
        assertThat(outcome.err).contains("something does not compile").contains("build.log");
        environment.remove("FAKE_MAVEN_EXIT");
        assertThat(run("--version").exit).isZero();
        assertThat(builds()).hasSize(2);
    }

    @Test
    void aProgramThatMayNotBeBuiltMustBeThere() throws Exception {
        environment.put("HYDRA_SKIP_BUILD", "1");
        Outcome outcome = run("--version");
        assertThat(outcome.exit).isEqualTo(1);
        assertThat(outcome.err).contains("there is no program").contains("HYDRA_SKIP_BUILD");
        assertThat(folder.resolve("maven.log")).doesNotExist();
    }

    @Test
    void theTestCommandEndsAsMavenDoesAndNamesWhatWasSkipped() throws Exception {
        environment.put("FAKE_MAVEN_EXIT", "3");
        Outcome outcome = run("test", "-Dtest=A");
        assertThat(outcome.exit).isEqualTo(3);
        assertThat(outcome.out).isEmpty();
        assertThat(outcome.err)
                .contains("skipped: a.A.absent: the \"models\" & more are absent")
                .contains("skipped: a.A.assumed: Assumption failed: no browser\n")
                .contains("failed: a.A.worse")
                .endsWith("1 passed, 2 failed, 2 skipped\n");
        assertThat(builds()).singleElement().asString().contains("verify").endsWith("-Dtest=A");
    }

    private List<String> builds() throws IOException {
        return Files.readAllLines(folder.resolve("maven.log"));
    }

    private void script(String name, String body) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/sh\n" + body + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Outcome run(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(home.resolve("hydra").toString()));
        command.addAll(List.of(arguments));
        return start(command.toArray(String[]::new)).await();
    }

    private Running start(String... command) throws IOException {
        Path out = Files.createTempFile(folder, "out", "");
        Path err = Files.createTempFile(folder, "err", "");
        ProcessBuilder builder = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().keySet().removeIf(name -> name.startsWith("HYDRA_"));
        builder.environment().putAll(environment);
        return new Running(builder.start(), out, err);
    }

    private record Running(Process process, Path out, Path err) {
        Outcome await() throws IOException, InterruptedException {
            int exit = process.waitFor();
            return new Outcome(exit, Files.readString(out), Files.readString(err));
        }
    }
}
