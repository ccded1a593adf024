package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.FileDigest;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.testing.Shared;
import dev.hydrallm.testing.TinyCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a person sees who measures models with {@code eval}. */
class EvaluationTest {
    private static final String DEMO = "models/demo";
    private static final Path HELD_OUT = Path.of("src/test/resources/dev/hydrallm/evaluation/held-out.py");
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path directory;

    private Path text = Path.of("");

    @BeforeEach
    void writeAText() throws IOException {
        text = directory.resolve("text.py");
        Files.writeString(text, String.join("\n", Files.readAllLines(HELD_OUT).subList(0, 30)));
    }

    private static CliRun eval(Object... arguments) {
        return CliRun.of("eval", arguments);
    }

    /** A command of words between blanks, about the text. */
    private CliRun evalText(String command) {
        List<Object> words = new ArrayList<>(List.of(command.split(" ")));
        words.addAll(List.of("--text", text));
        return eval(words.toArray());
    }

    private static JsonNode json(CliRun run) throws IOException {
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out().lines()).hasSize(1);
        return JSON.readTree(run.out());
    }

    @Test
    void perplexityIsPrintedAsJsonAndProgressGoesToStderr() throws IOException {
        CliRun run = eval("perplexity", "--text", text, "--window", 64, "--stride", 16, "--format", "json");
        JsonNode result = json(run);
        assertThat(run.err()).contains("Scoring [", "100 %");
        assertThat(result.path("model").asText()).isEqualTo("pycoder-hydra int8");
        assertThat(result.path("window").asInt()).isEqualTo(64);
        assertThat(result.path("stride").asInt()).isEqualTo(16);
        assertThat(result.path("tokens").asInt()).isBetween(100, 500);
        assertThat(result.path("seconds").asDouble()).isPositive();
        double perplexity = result.path("perplexity").asDouble();
        // Far from the vocabulary's 4,096: the model does read what is before.
        assertThat(perplexity).isBetween(2.0, 100.0);
        assertThat(Math.log(perplexity))
                .isCloseTo(result.path("mean_negative_log_likelihood").asDouble(), within(1e-12));
    }

    @ParameterizedTest
    @ValueSource(strings = {"perplexity", "compare " + DEMO + " " + DEMO})
    void resultsArePrintedAsTablesToo(String command) {
        assertThat(evalText(command).out()).contains("mean NLL", "perplexity", "pycoder-hydra int8");
        assertThat(evalText(command + " --format markdown").out())
                .contains("|---|---:", "| mean NLL |", "pycoder-hydra int8 |");
    }

    @Test
    void windowsAreTheModelsContextAndOverlapByHalfUnlessToldOtherwise() throws IOException {
        JsonNode whole = json(eval("perplexity", "--text", text, "--format", "json"));
        assertThat(whole.path("window").asInt()).isEqualTo(1024);
        assertThat(whole.path("stride").asInt()).isEqualTo(512);
        JsonNode small = json(eval("perplexity", "--text", text, "--context", 100, "--format", "json"));
        assertThat(small.path("window").asInt()).isEqualTo(100);
        assertThat(small.path("stride").asInt()).isEqualTo(50);
        assertThat(small.path("tokens")).isEqualTo(whole.path("tokens"));
        assertThat(small.path("perplexity").asDouble())
                .isGreaterThan(whole.path("perplexity").asDouble());
    }

    @Test
    void aModelComparedWithItselfIsTheSame() throws IOException {
        JsonNode result = json(eval("compare", DEMO, DEMO, "--text", text, "--window", 64, "--format", "json"));
        assertThat(result.path("divergence"))
                .isEqualTo(JSON.readTree("{\"mean\":0.0,\"median\":0.0,\"percentile99\":0.0,\"maximum\":0.0}"));
        assertThat(result.path("top_agreement").asDouble()).isEqualTo(1);
        assertThat(result.path("first")).isEqualTo(result.path("second"));
        JsonNode alone = json(eval("perplexity", "--text", text, "--window", 64, "--format", "json"));
        assertThat(result.path("first").path("perplexity")).isEqualTo(alone.path("perplexity"));
        assertThat(result.path("tokens")).isEqualTo(alone.path("tokens"));
    }

    @Test
    void eightBitsCostTheDemoModelLessThanAHundredthOfItsPerplexity() throws IOException {
        Path none = directory.resolve("none");
        Path heads = Shared.models().resolve("pycoder-hydra-2l");
        assertThat(CliRun.of("pack", "--model", heads, "--output", none).exitCode())
                .isZero();
        JsonNode result = json(eval("compare", none, DEMO, "--text", HELD_OUT, "--stride", 1024, "--format", "json"));
        double full = result.path("first").path("perplexity").asDouble();
        double eightBit = result.path("second").path("perplexity").asDouble();
        assertThat(eightBit / full).isBetween(0.99, 1.01);
        assertThat(result.path("divergence").path("mean").asDouble()).isBetween(1e-6, 0.02);
        assertThat(result.path("top_agreement").asDouble()).isBetween(0.95, 1.0);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--stride 0                  | the stride must be within 1 and the window's 1024 tokens, not 0",
                "--stride -3                 | not -3",
                "--stride 33 --window 32     | within 1 and the window's 32 tokens, not 33",
                "--window 0                  | a window must hold at least 1 token, not 0",
                "--window 1025               | --window 1025 is longer than the context of 1024 tokens",
                "--window 65 --context 64    | --window 65 is longer than the context of 64 tokens",
                "--context 1025              | longer than the 1024 tokens the model was made for",
                "--model nowhere             | nowhere is no directory",
            })
    void optionsOutOfBoundsAreRefusedInOneLine(String options, String message) {
        assertRefused(evalText("perplexity " + options), message);
    }

    @Test
    void comparedModelsTakeTheSameBounds() {
        assertRefused(eval("compare", DEMO, DEMO, "--text", text, "--window", 1025), "the context of 1024 tokens");
        assertRefused(eval("compare", DEMO, DEMO, "--text", text, "--stride", 0), "not 0");
        assertRefused(eval("compare", DEMO, "nowhere", "--text", text), "nowhere is no directory");
    }

    @Test
    void textsWithNothingToScoreAreRefusedInOneLine() throws IOException {
        Path empty = Files.createFile(directory.resolve("empty.py"));
        assertRefused(eval("perplexity", "--text", empty), empty + " is empty");
        assertRefused(eval("compare", DEMO, DEMO, "--text", empty), empty + " is empty");
        assertRefused(eval("perplexity", "--text", directory), "is a directory, not a text");
        assertRefused(eval("perplexity", "--text", directory.resolve("none.py")), "no such file");
        Path latin = Files.write(directory.resolve("latin.py"), new byte[] {'a', (byte) 0xe9, 'b'});
        assertRefused(eval("perplexity", "--text", latin), "not valid UTF-8");
        // A tokenizer that puts nothing before a text.
        Path bare = demoWithTokenizer(
                "bare",
                json -> json.replaceFirst(
                        "(?s)\"post_processor\"\\s*:\\s*\\{.*?\\}\\s*,\\s*\"decoder\"",
                        "\"post_processor\": null, \"decoder\""));
        Path single = Files.writeString(directory.resolve("single.py"), "x");
        assertRefused(
                eval("perplexity", "--model", bare, "--text", single), single + " has 1 token, and scoring needs 2");
        assertThat(json(eval("perplexity", "--text", single, "--format", "json"))
                        .path("tokens")
                        .asInt())
                .isEqualTo(1);
    }

    @Test
    void modelsOfDifferentTokensAreRefusedInOneLine() throws IOException {
        Path base = TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F32));
        Path tiny = directory.resolve("tiny");
        assertThat(CliRun.of("pack", "--model", base, "--output", tiny).exitCode())
                .isZero();
        assertRefused(
                eval("compare", DEMO, tiny, "--text", text),
                DEMO + " has a vocabulary of 4096, " + tiny + " one of 16");
        // The text has none of the two tokens that change places.
        Path plain = Files.writeString(directory.resolve("plain.py"), "x = 1\n");
        Path swapped = demoWithTokenizer(
                "swapped",
                json -> json.replaceFirst("\"!\"\\s*:\\s*3", "\"!\": 5").replaceFirst("\"#\"\\s*:\\s*5", "\"#\": 3"));
        assertRefused(
                eval("compare", DEMO, swapped, "--text", plain),
                "the tokenizers of " + DEMO + " and " + swapped + " differ");
    }

    /** The demo model with another tokenizer. */
    private Path demoWithTokenizer(String name, UnaryOperator<String> change) throws IOException {
        Path copy = Files.createDirectory(directory.resolve(name));
        Files.createSymbolicLink(
                copy.resolve("weights.safetensors"),
                Path.of(DEMO, "weights.safetensors").toAbsolutePath());
        String before = Files.readString(Path.of(DEMO, "tokenizer.json"));
        String after = change.apply(before);
        assertThat(after).isNotEqualTo(before);
        Files.writeString(copy.resolve("tokenizer.json"), after);
        Manifest demo = Manifest.read(Path.of(DEMO));
        Map<String, FileDigest> files = new HashMap<>(demo.files());
        files.put("tokenizer.json", FileDigest.of(Files.readAllBytes(copy.resolve("tokenizer.json"))));
        new Manifest(
                        demo.formatVersion(),
                        demo.name(),
                        demo.architecture(),
                        demo.draft(),
                        demo.quantization(),
                        demo.tree(),
                        demo.chatTemplate(),
                        demo.bosId(),
                        demo.eosIds(),
                        demo.sources(),
                        files)
                .write(copy);
        return copy;
    }

    @Test
    void aWrongCommandLineSaysWhereHelpIs() {
        for (CliRun run : new CliRun[] {
            eval(), eval("perplexity"), eval("compare", DEMO, "--text", text), eval("perplexity", "--text", text, "x")
        }) {
            assertThat(run.exitCode()).isEqualTo(Cli.USAGE);
            assertThat(run.err().lines())
                    .singleElement()
                    .asString()
                    .startsWith("hydra: ")
                    .contains("hydra eval")
                    .endsWith("--help)");
        }
    }

    @Test
    void helpTeachesByExamples() {
        assertThat(eval("--help").out()).contains("perplexity", "compare", "Example:  hydra eval perplexity --text");
        assertThat(eval("perplexity", "--help").out()).contains("Example:  hydra eval perplexity", "--stride");
        assertThat(eval("compare", "--help").out()).contains("Example:  hydra eval compare", "KL(A‖B)");
    }

    @Test
    void theTextMayComeFromTheEnvironment() {
        assertThat(CliRun.with(Map.of("HYDRA_TEXT", text.toString()), "eval", "perplexity")
                        .exitCode())
                .isZero();
    }
}
