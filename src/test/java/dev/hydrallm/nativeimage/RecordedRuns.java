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
import java.util.jar.Attributes;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.stream.Stream;

/** The packaged program, run as its users run it and watched by {@link AccessRecorder}. */
final class RecordedRuns {
    private static final String AGENT = "recorder.jar";

    /**
     * Every reader and writer once, in a folder with a demo model, a base and tokens to train heads for it with, a chat template, a
     * text, conversations, prompts, questions and a batch.
     */
    private static final String COMMANDS = """
            pull org/base
            pack --model org/heads --quantize int8 --output tiny
            inspect --model tiny --json
            chat --max-tokens 4 --chat-template template
            generate --prompt x= --max-tokens 4 --json
            generate --batch-file batch --output out
            generate --engine torch --prompt x= --max-tokens 4
            eval perplexity --text text --format json
            eval compare demo demo --text text --format json
            bench --soak 4 --format json
            data distill --input text --continue-text --prompt-tokens 4 --max-tokens 2 --output answers.jsonl
            data prepare --input answers.jsonl conversations.json --chat-template vicuna_v1.1 --output p.bin --format json
            data inspect p.bin --sample 0
            train --model base --data tokens --eval-data tokens --max-steps 2 --save-steps 1 --cache-hidden-states states\
             --output-dir trained --export-pt --device cpu --threads 1
            train --model base --data tokens --eval-data tokens --max-steps 2 --save-steps 1 --resume required\
             --output-dir trained --device cpu --threads 1
            push trained org/trained
            eval heads --text text --format json
            eval tree --nodes 4 --limit 1 --tokens 4 --repeats 1 --svg tree.svg --output tree.json --format json
            eval compression --limit 1 --max-tokens 4 --format json
            eval quality --set prompts.json --max-new-tokens 4 --format json
            eval mtbench --questions questions.jsonl --output mtbench.jsonl --max-new-tokens 4 --format json
            eval all demo --text text --set prompts.json --max-new-tokens 4 --prompt-file text --tokens 4 --repeats 1\
             --report report.html --format json
            """;

    private RecordedRuns() {}

    /**
     * What the program looked up.
     *
     * @param program where its jars are
     * @param folder where it may write
     */
    static List<Access> of(Path program, Path folder) throws IOException, InterruptedException {
        Path heads = TinyCheckpoint.writeHeadsConfig(folder.resolve("heads"), 2, 1, 0);
        TinyCheckpoint.text(heads.resolve("config.json"), """
                {"medusa_num_heads": 2, "medusa_num_layers": 1, "base_model_name_or_path": "org/base"}""");
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), TinyCheckpoint.medusa(DType.F32, 2, 1));
        Path base = TinyCheckpoint.writeBase(folder.resolve("base"), TinyCheckpoint.base(DType.F32));
        Files.createSymbolicLink(folder.resolve("demo"), Path.of("models/demo").toAbsolutePath());
        Files.createSymbolicLink(
                folder.resolve("template"),
                Path.of("src/test/resources/templates/qwen3.jinja").toAbsolutePath());
        Files.writeString(folder.resolve("text"), "a b c d e f g h");
        Files.writeString(folder.resolve("conversations.json"), """
                [{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]""");
        Files.writeString(folder.resolve("prompts.json"), "[{\"prompt\": \"def f(x):\", \"gt\": \"return x\"}]");
        Files.writeString(
                folder.resolve("questions.jsonl"),
                "{\"question_id\": 81, \"category\": \"coding\", \"turns\": [\"def f(x):\"]}");
        TinyCheckpoint.writeTokens(folder.resolve("tokens"), base, 8, 1);
        Files.writeString(folder.resolve("batch"), "{\"prompt\": \"def f(x):\", \"max_tokens\": 2}");
        Files.writeString(folder.resolve("commands"), COMMANDS);
        writeAgent(folder.resolve(AGENT));
        try (FakeHub hub = new FakeHub()) {
            hub.putAll("org/heads", heads);
            hub.putAll("org/base", base);
            // The requests that Java's ahead-of-time cache is trained with.
            Process server = start(hub, program, folder, "rehearse", "dev.hydrallm.cli.Main", "rehearse");
            // Only the benchmark of cold starts, which takes long, forgets files, and only large ones are asked for in
            // the cache.
            Process tour = start(
                    hub,
                    program,
                    folder,
                    "tour",
                    CommandTour.class.getName(),
                    "commands",
                    "dev.hydrallm.evaluation.PageCache",
                    "dev.hydrallm.natives.CachedPages");
            await(tour, folder.resolve("tour.log"));
            await(server, folder.resolve("rehearse.log"));
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

    private static Process start(FakeHub hub, Path program, Path folder, String name, String... words)
            throws IOException {
        ProcessBuilder process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-javaagent:" + folder.resolve(AGENT) + "=" + folder.toAbsolutePath(),
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "--add-opens",
                        "java.base/java.lang=ALL-UNNAMED",
                        "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
                        "-Dhydra.home=" + Path.of("").toAbsolutePath(),
                        "-cp",
                        program.resolve("quarkus-run.jar").toString())
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve(name + ".log").toFile());
        process.command().addAll(List.of(words));
        process.environment().put("HF_ENDPOINT", hub.address());
        process.environment().put("HF_TOKEN", "hf_write");
        process.environment().put("HF_HOME", folder.resolve("hf").toString());
        Process started = process.start();
        try (OutputStream in = started.getOutputStream()) {
            in.write("def f(x):\n\n".getBytes(StandardCharsets.UTF_8));
        }
        return started;
    }

    private static void await(Process process, Path log) throws IOException, InterruptedException {
        int exit = process.waitFor();
        assertThat(exit).as(Files.readString(log)).isZero();
    }

    /** A jar of the recorder alone. */
    private static void writeAgent(Path jar) throws IOException {
        Manifest manifest = new Manifest();
        manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
        manifest.getMainAttributes().put(new Attributes.Name("Premain-Class"), AccessRecorder.class.getName());
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar), manifest)) {
            for (Class<?> each : List.of(AccessRecorder.class, Access.class, CommandTour.class)) {
                String name = each.getName().replace('.', '/') + ".class";
                out.putNextEntry(new JarEntry(name));
                out.write(each.getClassLoader().getResourceAsStream(name).readAllBytes());
            }
        }
    }
}
