package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.Pickle;
import dev.hydrallm.testing.Safetensors;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a person sees who gives files to {@code pack} and {@code inspect}, good and bad ones. */
class CommandLineTest {
    private static final String DEMO = "models/demo";

    @TempDir
    Path directory;

    private Path base = Path.of("");
    private Path heads = Path.of("");

    @BeforeEach
    void writeACheckpoint() {
        base = TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F32));
        heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 0);
        writeHeads(TinyCheckpoint.medusa(DType.F32, 2, 1));
    }

    @Test
    void packMakesAModelThatOpensAndReportsOnStderrOnly() {
        CliRun run = pack("--model", heads, "--quantize", "int8", "--name", "parrot", "--tree", "mc_sim_7b_63");
        assertThat(run.exitCode()).isZero();
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("Packing [", "100 %", "Packed into " + directory.resolve("packed"));
        try (PackedModel pack = PackedModel.open(directory.resolve("packed"))) {
            assertThat(pack.manifest().name()).isEqualTo("parrot");
            assertThat(pack.manifest().tree()).hasSize(63);
            assertThat(pack.draft().heads()).isEqualTo(2);
        }
    }

    @Test
    void packTakesATreeFromAFile() {
        Path tree = TinyCheckpoint.text(directory.resolve("tree.json"), "[[0],[0,0],[1]]");
        assertThat(pack("--model", heads, "--tree", tree).exitCode()).isZero();
        try (PackedModel pack = PackedModel.open(directory.resolve("packed"))) {
            assertThat(pack.manifest().tree()).containsExactly(List.of(0), List.of(0, 0), List.of(1));
        }
    }

    @Test
    void packWarnsOfCountsThatDisagree() {
        TinyCheckpoint.writeHeadsConfig(heads, 5, 1, 0);
        CliRun run = pack("--model", heads);
        assertThat(run.exitCode()).isZero();
        assertThat(run.err()).contains("hydra: warning: " + heads + ": config.json says medusa_num_heads 5");
    }

    @Test
    void inspectShowsWhatAModelIsMadeOf() {
        CliRun run = CliRun.of("inspect", "--model", DEMO, "--tensors");
        assertThat(run.exitCode()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out())
                .contains("16 layers, hidden 256", "3 heads on 2 forked layers", "forked layers", "int8")
                .contains("layers.0.qkv.weight  I8  [768, 256]");
    }

    @Test
    void inspectShowsWhatAFamilyAdds() {
        assertThat(CliRun.of("inspect", "--model", DEMO).out())
                .containsPattern("attention +plain\\R")
                .containsPattern("positions +rotary, base 10,000\\R");
        String config = TinyCheckpoint.CONFIG.replace(
                "\"llama\"",
                "\"mistral\", \"sliding_window\": 2048,"
                        + " \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0}");
        Path mistral = TinyCheckpoint.writeBase(directory.resolve("mistral"), config, TinyCheckpoint.base(DType.F32));
        assertThat(pack("--model", mistral).exitCode()).isZero();
        assertThat(CliRun.of("inspect", "--model", directory.resolve("packed")).out())
                .containsPattern("attention +a window of 2,048 tokens\\R")
                .containsPattern("positions +rotary, base 10,000, yarn scaling by 4.0 from 64 tokens\\R")
                .contains("context 256");
    }

    @Test
    void inspectPrintsTheManifestAsOneLineOfJson() throws IOException {
        CliRun run = CliRun.of("inspect", "--model", DEMO, "--json");
        assertThat(run.exitCode()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out().lines()).hasSize(1);
        ObjectMapper json = new ObjectMapper();
        JsonNode printed = json.readTree(run.out());
        JsonNode sizes = ((ObjectNode) printed).remove("sizes");
        ObjectNode written =
                (ObjectNode) json.readTree(Path.of(DEMO, "hydra.json").toFile());
        written.remove("sha256"); // of the file's own bytes
        assertThat(printed).isEqualTo(written);
        assertThat(sizes.path("layers").path("format").asText()).isEqualTo("int8");
        assertThat(sizes.path("layers").path("weights").intValue()).isEqualTo(13_631_488);
        assertThat(sizes.path("layers").path("bytes").intValue())
                .isEqualTo(13_631_488 + 16 * (768 + 256 + 1536 + 256) * 4);
        assertThat(sizes.path("layers").path("bits_per_weight").doubleValue()).isBetween(8.1, 8.2);
    }

    @Test
    void aTruncatedFileIsRefusedInOneLine() throws IOException {
        cut(base.resolve("model.safetensors"));
        assertRefused(pack("--model", base), "model.safetensors", "truncated");
        cut(heads.resolve("medusa_lm_head.pt"));
        base = TinyCheckpoint.writeBase(base, TinyCheckpoint.base(DType.F32));
        assertRefused(pack("--model", heads), "medusa_lm_head.pt", "no readable torch file");
    }

    @Test
    void anOversizedHeaderIsRefusedInOneLine() {
        byte[] header = {0, 0, 0, 0, 1, 0, 0, 0, '{', '}'};
        Safetensors.write(base.resolve("model.safetensors"), header);
        assertRefused(pack("--model", base), "a header of 4294967296 bytes");
    }

    @Test
    void overlappingTensorsAreRefusedInOneLine() {
        Safetensors.write(
                base.resolve("model.safetensors"),
                "{\"a\":" + Safetensors.entry("F32", List.of(2L), 0, 8) + ",\"b\\n\":"
                        + Safetensors.entry("F32", List.of(2L), 4, 12) + "}",
                new byte[12]);
        assertRefused(pack("--model", base), "tensor b\\u000a begins at byte 4, inside the one before");
    }

    @Test
    void aTensorOfTheWrongTypeIsRefusedInOneLine() {
        Map<String, TestTensor> tensors = new HashMap<>(TinyCheckpoint.base(DType.F32));
        tensors.computeIfPresent("model.norm.weight", (name, tensor) -> tensor.as(DType.I8));
        TinyCheckpoint.writeBase(base, tensors);
        assertRefused(pack("--model", base), "wrong tensors: model.norm.weight (of type I8");
    }

    @Test
    void aMissingTensorIsRefusedInOneLine() {
        Map<String, TestTensor> tensors = new HashMap<>(TinyCheckpoint.base(DType.F32));
        tensors.remove("model.norm.weight");
        TinyCheckpoint.writeBase(base, tensors);
        assertRefused(pack("--model", base), "missing tensors: model.norm.weight");
    }

    @ParameterizedTest
    @ValueSource(strings = {"os", "posix", "builtins"})
    void aPickleThatRunsACommandIsRefusedInOneLineAndRunsNothing(String module) {
        Path victim = directory.resolve("victim");
        Pickle attack =
                new Pickle().global(module, "system").string("touch " + victim).op(0x85, 'R');
        TorchZip.write(heads.resolve("medusa_lm_head.pt"), TorchZip.entries(attack));
        assertRefused(pack("--model", heads), "the pickle asks for " + module + ".system", "was not run");
        assertThat(victim).doesNotExist();
    }

    @Test
    void headsOfAnotherBaseAreRefusedInOneLine() {
        Map<String, TestTensor> other = new HashMap<>(TinyCheckpoint.medusa(DType.F32, 2, 1));
        other.put("0.1.weight", TestTensor.random(DType.F32, 1, 32, 8));
        writeHeads(other);
        assertRefused(pack("--model", heads), "0.1.weight ([32, 8] instead of [16, 8])", "heads of this base?");
    }

    @Test
    void aMissingDirectoryIsRefusedInOneLine() {
        Path nowhere = directory.resolve("nowhere");
        assertRefused(CliRun.of("inspect", "--model", nowhere), nowhere + " is no directory");
        assertRefused(pack("--model", nowhere), nowhere.toString());
        assertRefused(pack("--model", heads, "--base-model", nowhere), nowhere.toString());
        assertRefused(CliRun.of("inspect", "--model", heads, "--base-model", nowhere), nowhere + " is no directory");
    }

    @Test
    void aPackedModelIsNotPackedAgain() {
        assertRefused(pack("--model", DEMO), "models/demo: is packed already");
        assertRefused(CliRun.of("inspect", "--model", DEMO, "--base-model", base), "is packed already; --load-in-8bit");
        assertRefused(CliRun.of("inspect", "--model", DEMO, "--load-in-4bit"), "is packed already; --load-in-8bit");
        assertRefused(pack("--model", heads, "--base-model", DEMO), "models/demo: is packed already");
    }

    @Test
    void aBaseModelForAWholeModelIsRefused() {
        assertRefused(pack("--model", base, "--base-model", base), "is a whole model; --base-model is for draft heads");
    }

    @Test
    void eightAndFourBitsAtOnceAreRefused() {
        for (String command : List.of("inspect", "serve", "chat")) {
            assertRefused(
                    CliRun.of(command, "--model", heads, "--load-in-4bit", "--load-in-8bit"),
                    "--load-in-8bit and --load-in-4bit exclude each other");
        }
    }

    @Test
    void anOutputThatExistsIsLeftAlone() {
        assertRefused(CliRun.of("pack", "--model", heads, "--output", base), base + " exists already");
        assertThat(base.resolve("model.safetensors")).exists();
    }

    @Test
    void aTreeThatIsNotThereIsRefusedInOneLine() {
        Path tree = directory.resolve("tree.json");
        assertRefused(pack("--model", heads, "--tree", tree), tree.toString());
        TinyCheckpoint.text(tree, "[[0],[1,0]]");
        assertRefused(pack("--model", heads, "--tree", tree), "the path [1, 0] lacks its parent [1]");
    }

    @Test
    void aWrongCommandLineIsRefusedInOneLineWithAnExitCodeOfItsOwn() {
        for (CliRun run : List.of(
                CliRun.of("pack", "--model", heads),
                pack("--model", heads, "--quantize", "int3"),
                CliRun.of("inspect", "--modle", DEMO),
                CliRun.of("bake"))) {
            assertThat(run.exitCode()).isEqualTo(Cli.USAGE);
            assertThat(run.out()).isEmpty();
            assertThat(run.err().lines()).singleElement().asString().startsWith("hydra: ");
        }
    }

    @Test
    void debugShowsTheStack() {
        CliRun run = CliRun.of("inspect", "--model", directory.resolve("nowhere"), "--debug");
        assertThat(run.exitCode()).isEqualTo(Cli.FAILED);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains("is no directory", "\tat dev.hydrallm.cli.Models.open");
    }

    private CliRun pack(Object... arguments) {
        Object[] all = Arrays.copyOf(arguments, arguments.length + 2);
        all[arguments.length] = "--output";
        all[arguments.length + 1] = directory.resolve("packed");
        return CliRun.of("pack", all);
    }

    private void writeHeads(Map<String, TestTensor> tensors) {
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), tensors);
    }

    private static void cut(Path file) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));
    }
}
