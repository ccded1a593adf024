package dev.hydrallm.nativeimage;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.model.DType;
import dev.hydrallm.testing.FakeHub;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The metadata for a native build name every class, resource and C function that the packaged program looked up by name
 * while it served, generated, packed, pulled and chatted, and every class that its native libraries name.
 *
 * <p>What Quarkus and the libraries of its extensions look up among themselves is left to the extensions: their build
 * steps register it, and much of it happens while a native image is built. What they look up of ours (a record that
 * Jackson writes, an option that picocli sets) is not left to them. Classes that Quarkus generates are its own.
 */
@Timeout(180)
class ReachabilityIT {
    private static final Path PROGRAM = Path.of("target/quarkus-app").toAbsolutePath();
    private static final Path METADATA =
            Path.of("src/main/resources/META-INF/native-image/dev.hydrallm/hydra/reachability-metadata.json");

    /** Packages of Quarkus, its extensions, and the libraries that these bring. */
    private static final List<String> EXTENSIONS = List.of(
            "com.aayushatharva.",
            "com.fasterxml.jackson.",
            "io.micrometer.",
            "io.netty.",
            "io.prometheus.",
            "io.quarkus.",
            "io.smallrye.",
            "io.vertx.",
            "jakarta.",
            "org.eclipse.microprofile.",
            "org.jboss.",
            "org.slf4j.",
            "picocli.");

    @TempDir
    static Path folder;

    @Test
    void theMetadataNameWhateverTheProgramLookedUp() throws Exception {
        ProgramFiles files = new ProgramFiles(PROGRAM);
        Map<String, Access> needed = new TreeMap<>();
        Stream.of(record(), files.natives(), files.resources())
                .flatMap(List::stream)
                .filter(access -> !access.caller().startsWith(CommandTour.class.getPackageName()))
                .flatMap(access -> found(access, files))
                .filter(access -> !files.metadata().covers(access))
                .forEach(access -> needed.putIfAbsent(access.kind() + " " + access.name(), access));
        if (System.getProperty("hydra.metadata.update") != null) {
            Files.createDirectories(METADATA.getParent());
            Files.writeString(METADATA, ReachabilityMetadata.write(needed.values()));
        }
        ReachabilityMetadata ours = new ReachabilityMetadata();
        ours.add(METADATA.toString(), Files.readString(METADATA));
        assertThat(needed.values())
                .filteredOn(access -> !ours.covers(access))
                .as("missing in the metadata; this test adds them with -Dhydra.metadata.update")
                .isEmpty();
        assertThat(ours.types())
                .filteredOn(type -> !files.hasClass(type))
                .as("named in the metadata and gone")
                .isEmpty();
        // A recorder that records nothing would let everything pass.
        assertThat(needed.values()).extracting(Access::kind).contains(Access.RESOURCE, Access.DOWNCALL, Access.JNI);
        assertThat(needed).containsKey("allDeclaredConstructors dev.hydrallm.model.Manifest");
    }

    /** What of it exists and is ours to name; a service is its file and its implementations. */
    private static Stream<Access> found(Access access, ProgramFiles files) {
        if (access.kind().equals(Access.JNI)) {
            return Stream.of(access).filter(each -> !extension(each.caller()));
        }
        if (access.kind().equals(Access.SERVICE)) {
            String file = "META-INF/services/" + access.name();
            return Stream.concat(
                            Stream.of(new Access(Access.RESOURCE, file, access.caller())),
                            files.providers(access.name()).stream()
                                    .map(each -> new Access("allDeclaredConstructors", each, access.caller())))
                    .flatMap(each -> found(each, files));
        }
        return switch (access.kind()) {
            case Access.DOWNCALL, Access.PROXY -> Stream.of(access);
            case Access.RESOURCE ->
                Stream.of(access)
                        .filter(each ->
                                files.hasResource(each.name()) && !each.name().endsWith("/"))
                        .filter(each -> !(extensionCalls(each, files)
                                && extension(each.name()
                                        .replaceFirst("META-INF/services/", "")
                                        .replace('/', '.'))));
            default ->
                withPermitted(access, files)
                        .filter(each -> files.hasClass(each.name().replace("[]", "")))
                        .filter(each -> !(extensionCalls(each, files) && (extension(each.name()) || jdk(each.name()))));
        };
    }

    /** A sealed type of ours stands for those that it permits: which of them a run meets is chance. */
    private static Stream<Access> withPermitted(Access access, ProgramFiles files) {
        Stream<Access> permitted =
                access.name().startsWith("dev.hydrallm.") && access.kind().startsWith("all")
                        ? files.permitted(access.name()).stream()
                                .flatMap(each -> Stream.of("Constructors", "Methods", "Fields")
                                        .map(members -> new Access("allDeclared" + members, each, access.caller())))
                        : Stream.of();
        return Stream.concat(Stream.of(access), permitted);
    }

    /** Generated classes are Quarkus's, or proxies. */
    private static boolean extensionCalls(Access access, ProgramFiles files) {
        return extension(access.caller()) || !files.hasClass(access.caller());
    }

    private static boolean extension(String name) {
        return EXTENSIONS.stream().anyMatch(name::startsWith);
    }

    private static boolean jdk(String name) {
        return Stream.of("java.", "javax.", "jdk.", "sun.", "com.sun.management.")
                .anyMatch(name::startsWith);
    }

    /** Runs the program as its users do. */
    private static List<Access> record() throws Exception {
        Path heads = TinyCheckpoint.writeHeadsConfig(folder.resolve("heads"), 2, 1, 0);
        TinyCheckpoint.text(heads.resolve("config.json"), """
                {"medusa_num_heads": 2, "medusa_num_layers": 1, "base_model_name_or_path": "org/base"}""");
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), TinyCheckpoint.medusa(DType.F32, 2, 1));
        Path base = TinyCheckpoint.writeBase(folder.resolve("base"), TinyCheckpoint.base(DType.F32));
        try (FakeHub hub = new FakeHub()) {
            hub.putAll("org/heads", heads);
            hub.putAll("org/base", base);
            String demo = Path.of("models/demo").toAbsolutePath().toString();
            String template = Path.of("src/test/resources/templates/qwen3.jinja")
                    .toAbsolutePath()
                    .toString();
            Path text = Files.writeString(folder.resolve("text"), "a b c d e f g h");
            Path batch = Files.writeString(folder.resolve("batch"), "{\"prompt\": \"def f(x):\", \"max_tokens\": 2}");
            Path commands = Files.write(
                    folder.resolve("commands"),
                    Stream.of(
                                    List.of("pull", "org/base"),
                                    List.of("pack", "--model", "org/heads", "--quantize", "int8", "--output", "tiny"),
                                    List.of("inspect", "--model", "tiny", "--json"),
                                    List.of("chat", "--max-tokens", "4", "--chat-template", template),
                                    List.of("generate", "--prompt", "def f(x):", "--max-tokens", "4", "--json"),
                                    List.of("generate", "--batch-file", batch.toString(), "--output", "out"),
                                    List.of("eval", "perplexity", "--text", text.toString(), "--format", "json"),
                                    List.of(
                                            "eval",
                                            "compare",
                                            demo,
                                            demo,
                                            "--text",
                                            text.toString(),
                                            "--format",
                                            "json"),
                                    List.of("bench", "--soak", "4", "--format", "json"))
                            .map(words -> String.join("\t", words))
                            .toList());
            Path agent = agent();
            Process server = start(hub, agent, "rehearse", "dev.hydrallm.cli.Main", "rehearse");
            // Only the benchmark of cold starts forgets files.
            Process tour = start(
                    hub,
                    agent,
                    "tour",
                    CommandTour.class.getName(),
                    commands.toString(),
                    "dev.hydrallm.evaluation.PageCache");
            await(tour, "tour");
            await(server, "rehearse");
        }
        List<Access> accesses = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file :
                    files.filter(each -> each.toString().endsWith(".tsv")).toList()) {
                Files.readAllLines(file).stream().map(Access::of).forEach(accesses::add);
            }
        }
        return accesses;
    }

    private static Process start(FakeHub hub, Path agent, String name, String... words) throws IOException {
        ProcessBuilder process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-javaagent:" + agent + "=" + folder.toAbsolutePath(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "--add-opens",
                        "java.base/java.lang=ALL-UNNAMED",
                        "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
                        "-Dhydra.home=" + Path.of("").toAbsolutePath(),
                        "-cp",
                        PROGRAM.resolve("quarkus-run.jar").toString())
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log(name).toFile());
        process.command().addAll(List.of(words));
        process.environment().put("HF_ENDPOINT", hub.address());
        process.environment().put("HF_HOME", folder.resolve("hf").toString());
        Process started = process.start();
        try (OutputStream in = started.getOutputStream()) {
            in.write("def f(x):\n\n".getBytes(StandardCharsets.UTF_8));
        }
        return started;
    }

    private static void await(Process process, String name) throws IOException, InterruptedException {
        int exit = process.waitFor();
        assertThat(exit).as(Files.readString(log(name))).isZero();
    }

    private static Path log(String name) {
        return folder.resolve(name + ".log");
    }

    /** A jar of the recorder alone. */
    private static Path agent() throws IOException {
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(new Attributes.Name("Premain-Class"), AccessRecorder.class.getName());
        Path jar = folder.resolve("recorder.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest)) {
            for (Class<?> each : List.of(AccessRecorder.class, Access.class, CommandTour.class)) {
                String name = each.getName().replace('.', '/') + ".class";
                out.putNextEntry(new JarEntry(name));
                out.write(each.getClassLoader().getResourceAsStream(name).readAllBytes());
            }
        }
        return jar;
    }
}
