package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Models of random weights: that they have the asked shape and run; never how fast. */
class ShapeCommandTest {
    private static final List<String> SMALL = List.of(
            "--layers",
            "2",
            "--hidden",
            "64",
            "--heads",
            "4",
            "--kv-heads",
            "2",
            "--intermediate",
            "128",
            "--vocab",
            "300",
            "--context",
            "64");

    @TempDir
    Path directory;

    @Test
    void theMeasuredModelHasItsStepsAndItsPlainSpeed() throws IOException {
        CliRun run = shape("--nodes", "1,8", "--steps", "4", "--tokens", "4", "--repeats", "2", "--format", "json");
        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonNode report = new ObjectMapper().readTree(run.out());
        assertThat(report.path("model").asText()).isEqualTo("random-2x64 int8");
        assertThat(report.path("steps"))
                .extracting(line -> line.path("nodes").intValue())
                .containsExactly(1, 8);
        assertThat(report.path("steps"))
                .allSatisfy(line -> assertThat(line.path("step").path("median").doubleValue())
                        .isPositive());
        assertThat(report.path("speed")).singleElement().satisfies(plain -> {
            assertThat(plain.path("nodes").intValue()).isEqualTo(1);
            assertThat(plain.path("tokens_per_second").path("mean").doubleValue())
                    .isPositive();
        });
    }

    @Test
    void nothingIsLeftOfTheMeasuredModel() {
        String usual = System.getProperty("java.io.tmpdir");
        System.setProperty("java.io.tmpdir", directory.toString());
        try {
            assertThat(shape("--nodes", "1", "--steps", "4", "--tokens", "1", "--repeats", "1")
                            .err())
                    .contains("Packing [");
        } finally {
            System.setProperty("java.io.tmpdir", usual);
        }
        assertThat(directory).isEmptyDirectory();
    }

    @ParameterizedTest
    @ValueSource(strings = {"f32", "f16", "int8", "int4", "int4-g32-asym", "nf4"})
    void aSavedModelHasTheAskedShapeAndGenerates(String format) {
        Path saved = directory.resolve(format);
        CliRun run = shape(
                "--head-dim",
                "48",
                "--draft-heads",
                "2",
                "--draft-layers",
                "2",
                "--embeddings",
                "untied",
                "--hidden",
                "128",
                "--quantize",
                format,
                "--save",
                saved.toString());
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).isEmpty();
        try (PackedModel pack = PackedModel.open(saved)) {
            assertThat(pack.architecture())
                    .isEqualTo(new Architecture(300, 128, 128, 2, 4, 2, 48, 1e-5, 10_000, 64, false));
            assertThat(pack.draft()).isEqualTo(new DraftLayout(2, 1, 2, false));
            assertThat(pack.manifest().quantization())
                    .containsEntry(TensorGroup.LAYERS, WeightFormat.named(format.equals("int4") ? "int4-g64" : format));
        }
        CliRun generated = CliRun.of("generate", "--model", saved, "--prompt", "any text\n", "--max-tokens", "6");
        assertThat(generated.exitCode()).as(generated.err()).isZero();
        assertThat(generated.err()).contains("[6 tokens in ");
    }

    @Test
    void aSeedGivesTheSameWeightsAndAnotherGivesOthers() throws IOException {
        assertThat(weights("one", "7")).isEqualTo(weights("two", "7")).isNotEqualTo(weights("three", "8"));
    }

    private byte[] weights(String name, String seed) throws IOException {
        Path saved = directory.resolve(name);
        assertThat(shape("--seed", seed, "--save", saved.toString()).exitCode()).isZero();
        return Files.readAllBytes(saved.resolve("weights.safetensors"));
    }

    @Test
    void weightsAreNormalAndNoRowRepeatsAnother() {
        shape("--quantize", "f32", "--save", directory.resolve("pack").toString());
        try (PackedModel pack = PackedModel.open(directory.resolve("pack"))) {
            float[] embedding = floats(pack, "embedding.weight");
            double squares = 0;
            double sum = 0;
            for (float weight : embedding) {
                sum += weight;
                squares += weight * weight;
            }
            assertThat(sum / embedding.length).isBetween(-0.0005, 0.0005);
            assertThat(Math.sqrt(squares / embedding.length)).isBetween(0.0195, 0.0205);
            assertThat(rows(embedding, 64)).doesNotHaveDuplicates();
            assertThat(floats(pack, "norm")).containsOnly(1);
            assertThat(floats(pack, "heads.0.residual.0.bias")).containsOnly(0);
        }
    }

    private static float[] floats(PackedModel pack, String name) {
        return pack.tensor(name).data().toArray(java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED);
    }

    private static List<Float> rows(float[] matrix, int columns) {
        List<Float> firsts = new ArrayList<>();
        for (int i = 0; i < matrix.length; i += columns) {
            firsts.add(matrix[i] + 31 * matrix[i + 1] + 997 * matrix[i + 2]);
        }
        return firsts;
    }

    @Test
    void aModelWithoutDraftHeadsIsMeasuredPlainly() {
        CliRun run = shape("--draft-heads", "0", "--steps", "4", "--tokens", "2", "--repeats", "1");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out()).contains("nodes", "1 (plain)");
    }

    @ParameterizedTest
    @CsvSource({
        "--heads 5, '--hidden 64 does not divide among --heads 5: change one of them or give --head-dim'",
        "--kv-heads 3, 4 heads do not divide among 3 kv_heads",
        "--head-dim 15, 'head_dim is 15, rotary embedding needs an even number'",
        "--layers 0, 'layers is 0, not between 1 and 1024'",
        "--heads 0, --hidden 64 does not divide among --heads 0",
        "--preset 9b, '--preset 9b is not one of 135m, 1b, 7b, 13b'",
        "--quantize int3, unknown weight format int3",
        "--hidden 80 --quantize int4, which do not divide into groups of 64",
        "--draft-heads 0 --draft-layers 1, --draft-layers 1 without draft heads",
        "--draft-layers 3, 3 forked layers of a model of 2",
        "--nodes 0, '--nodes must be numbers from 1 on, as in 1,8'",
        "--steps 1, '--tokens and --repeats must be at least 1, --steps at least 4'",
    })
    void impossibleShapesAreRefused(String options, String reason) {
        assertRefused(shape(options.split(" ")), reason);
    }

    @Test
    void aModelThatDoesNotFitSaysWhatItNeedsAndWhatThereIs() {
        CliRun run = shape("--layers", "1000", "--hidden", "65536", "--intermediate", "262144", "--head-dim", "64");
        assertThat(run.err()).containsPattern("need at least [0-9,.]+ GB of memory, and [0-9,.]+ GB are available: ");
        assertRefused(run, "a KV cache of 64 tokens");
    }

    @Test
    void aModelThatDoesNotFitOnTheDiskIsNotBegun() {
        Path saved = directory.resolve("new/folder");
        CliRun run = shape(
                "--layers",
                "1000",
                "--hidden",
                "65536",
                "--intermediate",
                "262144",
                "--head-dim",
                "64",
                "--save",
                saved.toString());
        assertThat(run.err()).containsPattern("need [0-9,.]+ GB, and " + directory + " has room for ");
        assertRefused(run, "save it elsewhere");
        assertThat(directory).isEmptyDirectory();
    }

    /** The small shape, with options that come later taken instead of it. */
    private static CliRun shape(String... options) {
        List<String> words = new ArrayList<>(List.of("shape"));
        for (int i = 0; i < SMALL.size(); i += 2) {
            if (!List.of(options).contains(SMALL.get(i))) {
                words.addAll(SMALL.subList(i, i + 2));
            }
        }
        words.addAll(List.of(options));
        return CliRun.of("bench", words.toArray());
    }
}
