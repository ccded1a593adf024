package dev.hydrallm.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.testing.FakeHub;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The packaged program as processes of its own: what it prints where, how it ends, how it starts and stops. */
@Timeout(180)
class ServerProcessIT {
    private static final Path JAR = Path.of("target/quarkus-app/quarkus-run.jar");
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    @TempDir
    static Path folder;

    private final List<Process> started = new ArrayList<>();

    @AfterEach
    void endWhatIsLeft() {
        started.forEach(Process::destroyForcibly);
    }

    private Process start(Map<String, String> environment, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-Dhydra.home=" + Path.of("").toAbsolutePath(),
                "-jar",
                JAR.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectError(Files.createTempFile(folder, "err", ".log").toFile());
        builder.environment().putAll(environment);
        Process process = builder.start();
        started.add(process);
        errors.put(process, builder.redirectError().file().toPath());
        return process;
    }

    private final Map<Process, Path> errors = new java.util.HashMap<>();

    private String errorOf(Process process) throws IOException {
        return Files.readString(errors.get(process));
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    private static HttpRequest.Builder request(int port, String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }

    /** The status of readiness; 0 while nobody listens. */
    private static int readiness(int port) throws InterruptedException {
        try {
            return CLIENT.send(request(port, "/q/health/ready").build(), BodyHandlers.discarding())
                    .statusCode();
        } catch (IOException e) {
            return 0;
        }
    }

    private static void awaitReady(Process server, int port) throws InterruptedException {
        while (readiness(port) != 200) {
            assertThat(server.isAlive()).isTrue();
            LockSupport.parkNanos(20_000_000);
        }
    }

    private static HttpRequest completion(int port, String body) {
        return request(port, "/v1/completions")
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    @Test
    void sigtermLetsTheAnswersInFlightEndAndThenEndsTheProcess() throws Exception {
        int port = freePort();
        // Variables of other commands must not disturb a server.
        Process server = start(
                Map.of("HYDRA_TEMPERATURE", "0.3", "HYDRA_STYLE", "simple"), "serve", "--port", String.valueOf(port));
        awaitReady(server, port);
        HttpResponse<Stream<String>> stream = CLIENT.send(
                completion(
                        port,
                        "{\"prompt\":\"x = [\",\"max_tokens\":400,\"temperature\":1.5,\"seed\":3,\"stream\":true}"),
                BodyHandlers.ofLines());
        assertThat(stream.statusCode()).isEqualTo(200);
        List<String> lines = new ArrayList<>();
        stream.body().forEach(line -> {
            if (lines.isEmpty()) {
                server.destroy();
            }
            lines.add(line);
        });
        assertThat(lines).contains("data: [DONE]");
        assertThat(lines).anyMatch(line -> line.contains("\"length\"") || line.contains("\"stop\""));
        assertThat(server.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(errorOf(server)).contains("is ready").doesNotContain("Exception");
    }

    @Test
    void thePortAnswersLongBeforeTheModelDoes() throws Exception {
        int port = freePort();
        Process server = start(Map.of(), "serve", "--port", String.valueOf(port));
        List<Integer> statuses = new ArrayList<>();
        while (statuses.isEmpty() || statuses.getLast() != 200) {
            assertThat(server.isAlive()).isTrue();
            int status = readiness(port);
            if (statuses.isEmpty() || statuses.getLast() != status) {
                statuses.add(status);
            }
            LockSupport.parkNanos(2_000_000);
        }
        assertThat(statuses).containsExactly(0, 503, 200);
        String line = errorOf(server)
                .lines()
                .filter(each -> each.contains("is ready"))
                .findFirst()
                .orElseThrow();
        assertThat(line).contains("jvm ", "door ", "http ", "read ", "convert ", "self_test ");
        assertThat(CLIENT.send(request(port, "/q/metrics").build(), BodyHandlers.ofString())
                        .body())
                .contains("hydra_start_seconds{phase=\"door\"}", "hydra_start_seconds{phase=\"ready\"}");
    }

    @Test
    void startsAreMeasuredPhaseByPhase() throws Exception {
        Process bench = start(Map.of(), "bench", "coldstart", "--starts", "1", "--files", "cold", "--format", "json");
        String out = read(bench);
        assertThat(bench.waitFor()).as(errorOf(bench)).isZero();
        assertThat(out).contains("\"answer\"", "\"probe\"", "\"token\"", "\"door\"", "\"convert\"", "\"COLD\"");
    }

    @Test
    void aDamagedPackEndsTheServerWithItsName() throws Exception {
        Path pack = Files.createDirectory(folder.resolve("damaged"));
        try (Stream<Path> files = Files.list(Path.of("models/demo"))) {
            for (Path file : files.toList()) {
                Files.copy(file, pack.resolve(file.getFileName()));
            }
        }
        Path weights = pack.resolve("weights.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 9] ^= 1;
        Files.write(weights, bytes);
        int port = freePort();
        Process server = start(Map.of("HYDRA_MODEL", pack.toString()), "serve", "--port", String.valueOf(port));
        while (server.isAlive()) {
            assertThat(readiness(port)).isNotEqualTo(200);
            LockSupport.parkNanos(20_000_000);
        }
        assertThat(server.waitFor()).isEqualTo(1);
        assertThat(errorOf(server)).contains("weights.safetensors").contains("SHA-256");
    }

    @Test
    void aModelThatIsNotThereYetIsFetchedWhileThePortAnswers503() throws Exception {
        try (FakeHub hub = new FakeHub()) {
            hub.putAll("org/demo", Path.of("models/demo"));
            hub.fail("weights.safetensors", FakeHub.Fault.slow(2_000));
            Map<String, String> environment = Map.of(
                    "HYDRA_MODEL",
                    "org/demo",
                    "HF_ENDPOINT",
                    hub.address(),
                    "HF_HOME",
                    folder.resolve("hf").toString());
            int port = freePort();
            Process server = start(environment, "serve", "--port", String.valueOf(port));
            while (hub.downloads("weights.safetensors").isEmpty() || readiness(port) == 0) {
                assertThat(server.isAlive()).isTrue();
                LockSupport.parkNanos(20_000_000);
            }
            assertThat(readiness(port)).isEqualTo(503);
            awaitReady(server, port);
            assertThat(errorOf(server)).contains("fetching org/demo from " + hub.address(), "is ready");
        }
    }

    @Test
    void aPortThatIsTakenIsOneLineAndAnExitCode() throws Exception {
        try (ServerSocket taken = new ServerSocket(0)) {
            Process server = start(Map.of(), "serve", "--port", String.valueOf(taken.getLocalPort()));
            assertThat(server.waitFor()).isEqualTo(1);
            assertThat(errorOf(server).lines().filter(line -> line.startsWith("hydra: ")))
                    .singleElement()
                    .asString()
                    .contains(String.valueOf(taken.getLocalPort()));
        }
    }

    @Test
    void generateWritesTheTextAloneToStandardOutput() throws Exception {
        Process process =
                start(Map.of("HYDRA_MAX_TOKENS", "8"), "generate", "--prompt", "def add(a, b):", "--temperature", "0");
        String out = read(process);
        assertThat(process.waitFor()).isZero();
        assertThat(out).isNotBlank().doesNotContain("WARN", "INFO", "tokens/s");
        assertThat(errorOf(process)).contains("8 tokens").doesNotContain("WARN", "Exception");
    }

    private static String read(Process process) throws IOException {
        try (BufferedReader reader =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            return String.join("\n", reader.lines().toList());
        }
    }
}
