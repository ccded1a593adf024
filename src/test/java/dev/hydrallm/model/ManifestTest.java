package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ManifestTest {
    @TempDir
    Path directory;

    private final Manifest manifest = PackFixture.manifest(PackFixture.NO_FILES);

    @BeforeEach
    void write() throws IOException {
        manifest.write(directory);
    }

    @Test
    void whatIsWrittenIsRead() {
        assertThat(Manifest.read(directory)).isEqualTo(manifest);
    }

    @Test
    void absentTreeAndBosSurvive() throws IOException {
        Manifest plain = new Manifest(
                Manifest.FORMAT_VERSION,
                "plain",
                manifest.architecture(),
                manifest.draft(),
                manifest.quantization(),
                null,
                "{{ x }}\n",
                null,
                manifest.eosIds(),
                manifest.sources(),
                manifest.files());
        plain.write(directory);
        assertThat(Manifest.read(directory)).isEqualTo(plain);
    }

    @Test
    void aLlamasManifestSaysNothingOfOtherFamilies() throws IOException {
        assertThat(Files.readString(directory.resolve("hydra.json")))
                .doesNotContain("attention_parts", "sliding_window", "rope_scaling", "parts");
    }

    static List<RopeScaling> scalings() {
        return List.of(
                new RopeScaling.Linear(4),
                new RopeScaling.Dynamic(2, 16),
                new RopeScaling.Llama3(8, 1, 4, 16),
                new RopeScaling.Yarn(4, 1.25, 32, 1, 16));
    }

    @ParameterizedTest
    @MethodSource("scalings")
    void theFamilysPartsSurvive(RopeScaling scaling) throws IOException {
        Architecture family = new Architecture(
                8,
                4,
                6,
                2,
                2,
                1,
                4,
                1e-5,
                10_000,
                32,
                true,
                Set.of(AttentionPart.QK_NORM, AttentionPart.QKV_BIAS),
                new SlidingWindow(3, 1),
                scaling);
        Manifest whole = new Manifest(
                Manifest.FORMAT_VERSION,
                "family",
                family,
                new DraftLayout(
                        manifest.draft().heads(),
                        manifest.draft().residualLayers(),
                        manifest.draft().forkedLayers(),
                        manifest.draft().sharedLmHead(),
                        Set.of(DraftPart.NEXT_TOKEN)),
                manifest.quantization(),
                manifest.tree(),
                "raw",
                null,
                manifest.eosIds(),
                manifest.sources(),
                manifest.files());
        whole.write(directory);
        assertThat(Manifest.read(directory)).isEqualTo(whole);
        assertThat(Files.readString(directory.resolve("hydra.json")))
                .contains("\"attention_parts\" : [ \"qkv_bias\", \"qk_norm\" ]", "\"first_layer\" : 1")
                .contains("\"parts\" : [ \"next_token\" ]")
                .contains("\"type\" : \"" + scaling.getClass().getSimpleName().toLowerCase(Locale.ROOT) + "\"");
    }

    @Test
    void theFileSaysSnakeCaseAndStableOrder() throws IOException {
        assertThat(Files.readString(directory.resolve("hydra.json")))
                .contains("\"format_version\" : 2", "\"vocab_size\" : 8", "\"forked_layers\" : 1")
                .contains("\"embedding\" : \"int8\"")
                .doesNotContain("\"tensors\"");
        byte[] first = Files.readAllBytes(directory.resolve("hydra.json"));
        Manifest.read(directory).write(directory);
        assertThat(directory.resolve("hydra.json")).hasBinaryContent(first);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "\"format_version\" : 2     | \"format_version\" : 1     | pack format version 1, this program reads 2",
                "\"format_version\" : 2     | \"format_version\" : \"2\" | pack format version",
                "\"format_version\" : 2,    |                            | pack format version",
                "\"name\" : \"tiny\"        | \"nam\" : \"tiny\"         | nam",
                "\"name\" : \"tiny\"        | \"name\" : \"tiny\", \"name\" : \"t\" | Duplicate",
                "\"vocab_size\" : 8,        |                            | vocab_size",
                "\"vocab_size\" : 8         | \"vocab_size\" : \"8\"     | int",
                "\"vocab_size\" : 8         | \"vocab_size\" : 8.5       | int",
                "\"vocab_size\" : 8         | \"vocab_size\" : -8        | vocab_size is -8, not between 1 and",
                "\"vocab_size\" : 8         | \"vocab_size\" : 99999999999 | out of range",
                "\"heads\" : 2,             | \"heads\" : 17,            | draft heads is 17",
                "\"head_dim\" : 2           | \"head_dim\" : 3           | even",
                "\"tied_embeddings\" : true | \"tied_embeddings\" : true, \"rope_scaling\" : {\"type\" : \"su\"} | 'su'",
                "\"tied_embeddings\" : true | \"tied_embeddings\" : true, \"rope_scaling\" : {\"type\" : \"linear\"} | factor",
                "\"tied_embeddings\" : true | \"tied_embeddings\" : true, \"rope_scaling\" : {\"type\" : \"linear\", \"factor\" : 4} | head_dim",
                "\"tied_embeddings\" : true | \"tied_embeddings\" : true, \"attention_parts\" : [\"sinks\"] | sinks",
                "\"tied_embeddings\" : true | \"tied_embeddings\" : true, \"sliding_window\" : {\"length\" : 0, \"first_layer\" : 0} | sliding_window is 0",
                "\"tied_embeddings\" : true | \"tied_embeddings\" : true, \"sliding_window\" : {\"length\" : 4, \"first_layer\" : 2} | first layer with a sliding window is 2",
                "\"norm_epsilon\" : 1.0E-5  | \"norm_epsilon\" : 0       | norm_epsilon is 0.0",
                "\"rope_theta\" : 10000.0   | \"rope_theta\" : 1e99      | rope_theta is 1.0E99",
                "\"forked_layers\" : 1      | \"forked_layers\" : 3      | 3 forked layers of a model of 2",
                "\"embedding\" : \"int8\",  |                            | quantization is given for",
                "\"embedding\" : \"int8\"   | \"embedding\" : \"int3\"   | unknown weight format int3",
                "\"embedding\" : \"int8\"   | \"embedding\" : \"int4\"   | unknown weight format int4",
                "\"embedding\" : \"int8\"   | \"embedding\" : 4          | WeightFormat",
                "\"embedding\" : \"int8\"   | \"embedding\" : null       | no weight format for the group EMBEDDING",
                "\"embedding\" : \"int8\"   | \"embedding\" : \"nf4\"    | embedding has 4 columns, which do not divide",
                "\"tokenizer.json\"         | \"../tokenizer.json\"      | files are",
                "\"bytes\" : 0             | \"bytes\" : 1             | 0 digests of a file of 1 bytes",
                "\"bytes\" : 0             | \"bytes\" : -1            | 0 digests of a file of -1 bytes",
                "\"chunks\" : [ ]          | \"chunks\" : [ \"00\" ]   | 1 digests of a file of 0 bytes",
                "\"bos_id\" : 1             | \"bos_id\" : 8             | bos_id is 8",
            })
    void aManifestThatIsWrongIsRefused(String from, @Nullable String to, String message) throws IOException {
        Path file = directory.resolve("hydra.json");
        String json = Files.readString(file);
        int at = json.lastIndexOf(from);
        assertThat(at).isNotNegative();
        String wrong = json.substring(0, at) + (to == null ? "" : to) + json.substring(at + from.length());
        Files.writeString(file, Manifest.signed(wrong.replaceFirst("[0-9a-f]{64}(?=\"\\s*}\\s*$)", "0".repeat(64))));
        assertThatThrownBy(() -> Manifest.read(directory))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message)
                .message()
                .doesNotContain("\n");
    }

    @Test
    void aFileThatIsNoJsonIsRefused() throws IOException {
        Files.writeString(directory.resolve("hydra.json"), "not json");
        assertThatThrownBy(() -> Manifest.read(directory)).isInstanceOf(ModelFormatException.class);
    }

    @Test
    void oneFlippedBitAnywhereIsNoticed() throws IOException {
        Path file = directory.resolve("hydra.json");
        byte[] bytes = Files.readAllBytes(file);
        for (int at = 0; at < bytes.length; at++) {
            bytes[at] ^= (byte) (1 << at % 8);
            Files.write(file, bytes);
            assertThatThrownBy(() -> Manifest.read(directory))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessageStartingWith(file + ": ");
            bytes[at] ^= (byte) (1 << at % 8);
        }
    }

    @Test
    void aManifestWithoutItsDigestIsRefused() throws IOException {
        Path file = directory.resolve("hydra.json");
        Files.writeString(file, Files.readString(file).replaceFirst(",\\s*\"sha256\" : \"[0-9a-f]*\"", ""));
        assertThatThrownBy(() -> Manifest.read(directory))
                .isInstanceOf(ModelFormatException.class)
                .hasMessage(file + ": it has no sha256 of its own: pack the model again");
    }
}
