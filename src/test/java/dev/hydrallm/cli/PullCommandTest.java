package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.FakeHub;
import dev.hydrallm.testing.FakeHub.Fault;
import dev.hydrallm.testing.FakeHub.Request;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models that a command names by their repository. */
class PullCommandTest {
    private static final Path DEMO = Path.of("models/demo");

    @TempDir
    Path directory;

    private final FakeHub hub = new FakeHub();

    @AfterEach
    void close() {
        hub.close();
    }

    @Test
    void pullPrintsWhereTheModelIs() {
        hub.putAll("org/demo", DEMO).put("org/demo", "README.md", "#");
        CliRun run = run("pull", "org/demo");
        Path snapshot = directory.resolve("models--org--demo/snapshots").resolve(FakeHub.COMMIT);
        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).isEqualTo(snapshot + System.lineSeparator());
        assertThat(run.err())
                .contains("Fetching org/demo [", "100 % of 17.7 MB, ", " MB/s")
                .contains("Pulled org/demo at commit " + FakeHub.COMMIT + ": 3 files, 17.7 MB of them fetched now.");
        assertThat(snapshot.resolve("README.md")).doesNotExist();
        assertThat(run("pull", "org/demo").err()).contains("3 files, 0.0 MB of them fetched now.");
    }

    @Test
    void generateWritesTheSameTextFromARepositoryAndAsksTheHubOnce() throws IOException {
        hub.putAll("org/demo", DEMO);
        String[] options = {"--prompt", "def add(a, b):", "--temperature", "0", "--max-tokens", "12", "--json"};
        CliRun fetched = run("generate", with(options, "--model", "org/demo"));
        assertThat(fetched.exitCode()).isZero();
        assertThat(fetched.err()).contains("hydra: fetching org/demo from " + hub.address());
        assertThat(ids(fetched)).hasSize(12).isEqualTo(ids(run("generate", with(options, "--model", DEMO))));
        hub.forget();
        CliRun cached = run("generate", with(options, "--model", "org/demo"));
        assertThat(ids(cached)).isEqualTo(ids(fetched));
        assertThat(cached.err()).doesNotContain("etching");
        assertThat(hub.requests()).isEmpty();
    }

    @Test
    void headsBringTheBaseThatTheyName() {
        headsAndBase();
        CliRun run = run("pack", "--model", "org/heads", "--output", directory.resolve("packed"));
        assertThat(run.err()).doesNotContain("hydra: warning").contains("fetching org/heads", "fetching org/base");
        assertThat(run.exitCode()).isZero();
        try (PackedModel pack = PackedModel.open(directory.resolve("packed"))) {
            assertThat(pack.manifest().name()).isEqualTo("org/heads");
            assertThat(pack.manifest().sources())
                    .containsExactly("org/base/model.safetensors", "org/heads/medusa_lm_head.pt");
            assertThat(pack.draft().heads()).isEqualTo(2);
        }
    }

    @Test
    void aBaseMayBeNamedByItsRepository() {
        Path heads = headsAndBase();
        hub.putAll("org/tuned", TinyCheckpoint.writeBase(directory.resolve("tuned"), TinyCheckpoint.base(DType.F16)));
        CliRun run = run(
                "pack",
                "--model",
                heads,
                "--base-model",
                "org/tuned@" + FakeHub.COMMIT,
                "--output",
                directory.resolve("packed"));
        assertThat(run.exitCode()).isZero();
        try (PackedModel pack = PackedModel.open(directory.resolve("packed"))) {
            assertThat(pack.manifest().sources())
                    .containsExactly("org/tuned/model.safetensors", "heads/medusa_lm_head.pt");
        }
    }

    @Test
    void aBaseThatIsNowhereIsNamedWithWhoNamesIt() {
        Path heads = headsAndBase();
        TinyCheckpoint.text(heads.resolve("config.json"), "{\"base_model_name_or_path\": \"org/gone\"}");
        assertRefused(
                run("pack", "--model", heads, "--output", directory.resolve("packed")),
                heads + " names the base org/gone: the hub has no repository org/gone",
                "(--base-model names another)");
    }

    @Test
    void aDirectoryComesBeforeARepository() {
        hub.put("models/demo", "config.json", "{}");
        assertThat(run("inspect", "--model", "models/demo").exitCode()).isZero();
        assertThat(hub.requests()).isEmpty();
    }

    @Test
    void whatCannotBePulledIsOneLine() {
        assertRefused(run("pull", "org/nothing"), "the hub has no repository org/nothing");
        assertRefused(run("pull", "nothing"), "nothing is no repository; one is called ORG/NAME");
        assertRefused(run("inspect", "--model", "org/nothing"), "the hub has no repository org/nothing");
        hub.put("org/model", "config.json", "{}").put("org/model", "model.safetensors", "weights");
        hub.requireToken("hf_secret");
        assertRefused(run("pull", "org/model"), "set HF_TOKEN");
        hub.fail("model.safetensors", Fault.corrupt());
        assertRefused(
                CliRun.with(environment(Map.of("HF_TOKEN", "hf_secret")), "pull", "org/model"),
                "model.safetensors: what came hashes to ");
    }

    @Test
    void offlineNothingIsAsked() {
        Map<String, String> offline = environment(Map.of("HF_HUB_OFFLINE", "1"));
        assertRefused(CliRun.with(offline, "inspect", "--model", "org/demo"), "HF_HUB_OFFLINE");
        hub.putAll("org/demo", DEMO);
        assertThat(run("pull", "org/demo").exitCode()).isZero();
        hub.forget();
        assertThat(CliRun.with(offline, "inspect", "--model", "org/demo").exitCode())
                .isZero();
        assertThat(hub.requests()).isEmpty();
    }

    @Test
    void aKilledPullIsGoneOnWith() throws Exception {
        hub.putAll("org/demo", DEMO).fail("weights.safetensors", Fault.stallAfter(5_000_000, 60_000));
        Process killed = java("pull", "org/demo").start();
        Path blobs = directory.resolve("models--org--demo/blobs");
        byte[] weights = Files.readAllBytes(DEMO.resolve("weights.safetensors"));
        Path partial = blobs.resolve(FakeHub.etag("weights.safetensors", weights) + ".incomplete");
        while (killed.isAlive() && (!Files.exists(partial) || Files.size(partial) < 5_000_000)) {
            Thread.sleep(20);
        }
        killed.destroyForcibly();
        assertThat(killed.waitFor()).isEqualTo(128 + 9);
        assertThat(partial).hasSize(5_000_000);

        Process second = java("pull", "org/demo").start();
        assertThat(second.waitFor()).isZero();
        assertThat(hub.downloads("weights.safetensors"))
                .extracting(Request::range)
                .containsExactly("", "bytes=5000000-");
        assertThat(directory.resolve("models--org--demo/snapshots/" + FakeHub.COMMIT + "/weights.safetensors"))
                .hasBinaryContent(weights);
        assertThat(partial).doesNotExist();
    }

    @Test
    void aDiskThatTakesNoMoreIsToldAndThePullIsGoneOnWith() throws Exception {
        hub.putAll("org/demo", DEMO);
        // No file may become longer than some blocks, of 512 or of 1,024 bytes: a disk that is full to this process.
        Path err = directory.resolve("err");
        ProcessBuilder limited = java("pull", "org/demo").redirectError(err.toFile());
        limited.command().addAll(0, List.of("sh", "-c", "ulimit -f 4096; exec \"$@\"", "sh"));
        assertThat(limited.start().waitFor()).isEqualTo(Cli.FAILED);
        assertThat(Files.readAllLines(err))
                .filteredOn(line -> line.startsWith("hydra: "))
                .singleElement()
                .asString()
                .contains(".incomplete: cannot be written after ", "File too large; free some space");

        assertThat(java("pull", "org/demo").start().waitFor()).isZero();
        assertThat(hub.downloads("weights.safetensors"))
                .extracting(Request::range)
                .element(1)
                .asString()
                .matches("bytes=[1-9]\\d{6}-");
    }

    @Test
    void processesThatPullAtTheSameTimeFetchOnce() throws Exception {
        hub.putAll("org/demo", DEMO).fail("weights.safetensors", Fault.slow(3_000));
        List<Process> both = List.of(
                java("pull", "org/demo").start(), java("pull", "org/demo").start());
        for (Process process : both) {
            assertThat(process.waitFor()).isZero();
        }
        assertThat(hub.downloads("weights.safetensors")).hasSize(1);
        assertThat(hub.downloads("tokenizer.json")).hasSize(1);
    }

    /** A process of its own, which takes the variables from its environment. */
    private ProcessBuilder java(String... arguments) {
        ProcessBuilder process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD);
        process.command().addAll(List.of(arguments));
        process.environment().putAll(environment(Map.of()));
        return process;
    }

    private Path headsAndBase() {
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 0);
        TinyCheckpoint.text(heads.resolve("config.json"), """
                {"medusa_num_heads": 2, "medusa_num_layers": 1, "base_model_name_or_path": "org/base"}""");
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), TinyCheckpoint.medusa(DType.F32, 2, 1));
        hub.putAll("org/heads", heads);
        hub.putAll("org/base", TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F32)));
        return heads;
    }

    private Map<String, String> environment(Map<String, String> more) {
        Map<String, String> environment =
                new HashMap<>(Map.of("HF_ENDPOINT", hub.address(), "HF_HUB_CACHE", directory.toString()));
        environment.put("HF_HOME", directory.resolve("home").toString());
        environment.putAll(more);
        return environment;
    }

    private CliRun run(String command, Object... arguments) {
        return CliRun.with(environment(Map.of()), command, arguments);
    }

    private static Object[] with(String[] options, Object... more) {
        return Stream.concat(Arrays.stream((Object[]) options), Arrays.stream(more))
                .toArray();
    }

    private static JsonNode ids(CliRun run) throws IOException {
        return new ObjectMapper().readTree(run.out()).path("output_ids");
    }

    private static void assertRefused(CliRun run, String... parts) {
        assertThat(run.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()
                        .lines()
                        .filter(line -> !line.startsWith("hydra: fetching ") && !line.contains("Fetching ")))
                .singleElement()
                .asString()
                .startsWith("hydra: ")
                .contains(parts);
    }
}
