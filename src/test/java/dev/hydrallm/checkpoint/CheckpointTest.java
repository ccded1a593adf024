package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CheckpointTest {
    @TempDir
    Path directory;

    private Path base = Path.of("");
    private Path heads = Path.of("");

    @BeforeEach
    void writeHeadsAndBase() {
        base = TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F32));
        heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 0);
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), TinyCheckpoint.medusa(DType.F32, 2, 1));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "{}                                                                          | raw",
                "{\"chat_template\": null}                                                   | raw",
                "{\"chat_template\": \"{{ x }}\"}                                            | {{ x }}",
                "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"a\"}]}             | raw",
                "{\"chat_template\": [{\"name\": \"rag\", \"template\": \"a\"}, {\"name\": \"default\", \"template\": \"b\"}]} | b",
            })
    void theTemplateOfTheTokenizersConfigurationIsTaken(String config, String template) {
        TinyCheckpoint.text(base.resolve("tokenizer_config.json"), config);
        assertThat(template(heads)).isEqualTo(template);
    }

    @Test
    void aTemplateInAFileOfItsOwnIsTakenFirst() {
        TinyCheckpoint.text(base.resolve("tokenizer_config.json"), "{\"chat_template\": \"old\"}");
        TinyCheckpoint.text(base.resolve("chat_template.jinja"), "new");
        assertThat(template(heads)).isEqualTo("new");
    }

    @Test
    void theHeadsOwnTemplateHidesTheBases() {
        TinyCheckpoint.text(base.resolve("chat_template.jinja"), "of the base");
        TinyCheckpoint.text(heads.resolve("chat_template.jinja"), "of the heads");
        assertThat(template(heads)).isEqualTo("of the heads");
    }

    @Test
    void aModelWithoutATokenizerSaysWhatItNeeds() throws IOException {
        Files.delete(base.resolve("tokenizer.json"));
        try (Checkpoint checkpoint = Checkpoint.open(heads, Optional.empty(), warning -> {})) {
            assertThatThrownBy(checkpoint::tokenizer)
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessage(base.resolve("tokenizer.json").normalize()
                            + ": no such file; convert the model's tokenizer to a tokenizer.json first");
        }
    }

    @Test
    void aDirectoryWithoutAnyModelSaysWhatItLookedFor() throws IOException {
        Path empty = Files.createDirectory(directory.resolve("empty"));
        assertThatThrownBy(() -> Checkpoint.open(empty, Optional.empty(), warning -> {}))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(empty + ": no model here")
                .hasMessageContaining("model.safetensors");
    }

    @Test
    void anotherBaseCanBeNamed() throws IOException {
        Path elsewhere = directory.resolve("elsewhere");
        Files.move(base, elsewhere);
        try (Checkpoint checkpoint = Checkpoint.open(heads, Optional.of(elsewhere), warning -> {})) {
            assertThat(checkpoint.sources()).containsExactly("elsewhere/model.safetensors", "heads/medusa_lm_head.pt");
        }
    }

    @Test
    void aSnapshotOfAHubIsCalledByItsRepository() throws IOException {
        Path snapshot =
                directory.resolve("models--org--na-me--1").resolve("snapshots").resolve("0123abc");
        Files.createDirectories(snapshot.getParent());
        Files.move(base, snapshot);
        try (Checkpoint checkpoint = Checkpoint.open(snapshot, Optional.empty(), warning -> {})) {
            assertThat(checkpoint.name()).isEqualTo("org/na-me--1");
            assertThat(checkpoint.sources()).containsExactly("org/na-me--1/model.safetensors");
        }
    }

    @Test
    void onlyABaseThatIsNotBesideTheHeadsIsMissing() {
        assertThat(Checkpoint.missingBase(base)).isEmpty();
        assertThat(Checkpoint.missingBase(heads)).isEmpty();
        TinyCheckpoint.text(heads.resolve("config.json"), "{\"base_model_name_or_path\": \"org/base\"}");
        assertThat(Checkpoint.missingBase(heads)).contains("org/base");
    }

    private static String template(Path model) {
        try (Checkpoint checkpoint = Checkpoint.open(model, Optional.empty(), warning -> {})) {
            return checkpoint.chatTemplate();
        }
    }
}
