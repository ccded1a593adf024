package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.Shared;
import dev.hydrallm.testing.TinyCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The two kinds of {@code config.json}: of a model and of draft heads. */
class ConfigTest {
    @TempDir
    Path directory;

    @Test
    void theDemoModelsConfigurationIsRead() {
        HfConfig config = HfConfig.read(Shared.models().resolve("pycoder"));
        assertThat(config.architecture())
                .isEqualTo(new Architecture(4096, 256, 768, 16, 4, 4, 64, 1e-5, 10_000, 1024, true));
        assertThat(config.bosId()).isEqualTo(1);
        assertThat(config.eosIds()).containsExactly(2);
    }

    @Test
    void generationConfigAddsItsEndTokens() {
        config("\"bos_token_id\": 1", "\"bos_token_id\": 1");
        TinyCheckpoint.text(directory.resolve("generation_config.json"), "{\"eos_token_id\": [2, 7, 5]}");
        assertThat(HfConfig.read(directory).eosIds()).containsExactly(2, 7, 5);
    }

    @Test
    void anEndTokenOfGenerationConfigOutsideTheVocabularyIsRefusedByThatFile() {
        config("\"bos_token_id\": 1", "\"bos_token_id\": 1");
        TinyCheckpoint.text(directory.resolve("generation_config.json"), "{\"eos_token_id\": [2, 16]}");
        assertRefused("generation_config.json: eos_token_id 16 is not between 0 and the vocab_size 16");
    }

    @Test
    void theAbsentValuesHaveTheirDefaults() {
        config("\"rms_norm_eps\": 1e-5,", "");
        assertThat(HfConfig.read(directory).architecture()).satisfies(shape -> {
            assertThat(shape.normEpsilon()).isEqualTo(1e-6);
            assertThat(shape.ropeTheta()).isEqualTo(10_000);
            assertThat(shape.headDim()).isEqualTo(4);
        });
    }

    @Test
    void theRotaryBaseOfNewerFilesIsRead() {
        config(
                "\"model_type\"",
                "\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 5e5}, \"model_type\"");
        assertThat(HfConfig.read(directory).architecture().ropeTheta()).isEqualTo(500_000);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "\"llama\"                     | \"gpt2\"                                         | model_type \"gpt2\" is not supported",
                "\"model_type\": \"llama\",    |                                                  | model_type \"\" is not supported",
                "\"model_type\"                | \"attention_bias\": 1, \"model_type\"             | attention_bias is 1, neither true nor false",
                "\"model_type\"                | \"mlp_bias\": true, \"model_type\"                | mlp_bias true is not supported",
                "\"model_type\"                | \"hidden_act\": \"gelu\", \"model_type\"          | hidden_act \"gelu\" is not supported",
                "\"hidden_size\": 8,           |                                                  | hidden_size is missing",
                "\"hidden_size\": 8            | \"hidden_size\": -8                              | hidden_size is -8",
                "\"hidden_size\": 8            | \"hidden_size\": 99999999999                     | hidden_size is 99999999999, not a whole",
                "\"hidden_size\": 8            | \"hidden_size\": 1e400                           | hidden_size is",
                "\"hidden_size\": 8            | \"hidden_size\": \"8\"                           | hidden_size is \"8\"",
                "\"hidden_size\": 8            | \"hidden_size\": 9                               | 2 attention heads do not divide",
                "\"num_attention_heads\": 2    | \"num_attention_heads\": 0                       | 0 attention heads",
                "\"num_key_value_heads\": 1    | \"num_key_value_heads\": -1                      | kv_heads is -1",
                "\"num_hidden_layers\": 2      | \"num_hidden_layers\": 2147483647                | layers is 2147483647",
                "\"vocab_size\": 16            | \"vocab_size\": 0                                | vocab_size is 0",
                "\"rms_norm_eps\": 1e-5        | \"rms_norm_eps\": -1                             | norm_epsilon is -1.0",
                "\"rms_norm_eps\": 1e-5        | \"rms_norm_eps\": \"small\"                      | rms_norm_eps is \"small\", not a number",
                "\"bos_token_id\": 1           | \"bos_token_id\": -1                             | bos_token_id -1 is not between",
                "\"eos_token_id\": 2           | \"eos_token_id\": [2, 1.5]                       | eos_token_id is [2,1.5]",
                "\"eos_token_id\": 2           | \"eos_token_id\": 16                             | eos_token_id 16 is not between",
                "\"eos_token_id\": 2           | \"eos_token_id\": 2, \"eos_token_id\": 3         | Duplicate field 'eos_token_id'",
                "false}                        | false                                            | is no valid JSON",
            })
    void aConfigurationThatCannotBeServedIsRefusedByTheNameOfWhatIsWrong(String part, String instead, String message) {
        config(part, instead == null ? "" : instead);
        assertRefused("config.json: ", message);
    }

    @Test
    void aMissingConfigurationIsRefused() {
        assertRefused("config.json: no such file");
    }

    @Test
    void aRelativeBaseLiesBesideTheHeads() throws IOException {
        Path base = Files.createDirectories(directory.resolve("models/base"));
        Path heads = Files.createDirectories(directory.resolve("models/heads"));
        TinyCheckpoint.text(heads.resolve("config.json"), "{\"base_model_name_or_path\": \"../base\"}");
        assertThat(HeadsConfig.read(heads).base(heads)).isEqualTo(base);
    }

    @ParameterizedTest
    @ValueSource(strings = {"lmsys/vicuna-7b-v1.3", "a\\u0000b"})
    void aBaseThatIsNotThereIsAskedForByName(String name) {
        TinyCheckpoint.text(directory.resolve("config.json"), "{\"base_model_name_or_path\": \"" + name + "\"}");
        assertThatThrownBy(() -> HeadsConfig.read(directory).base(directory))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("the base model " + name);
    }

    @Test
    void headsThatNameNoBaseAskForIt() {
        TinyCheckpoint.text(directory.resolve("config.json"), "{}");
        assertThatThrownBy(() -> HeadsConfig.read(directory).base(directory))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("name the base with --base-model");
    }

    @Test
    void countsThatDisagreeWithTheWeightsAreNamed() {
        HeadsConfig config = new HeadsConfig(Optional.of(2), Optional.of(1), Optional.of(3), true, Optional.empty());
        assertThat(config.disagreements(new DraftLayout(5, 1, 0, false)))
                .containsExactly(
                        "config.json says medusa_num_heads 2, the weights hold 5",
                        "config.json says medusa_num_decoder_layers 3, the weights hold 0",
                        "config.json says medusa_next_token, the weights lack medusa_next_token.weight: without it these heads"
                                + " guess far worse than they learnt");
        assertThat(config.disagreements(new DraftLayout(2, 1, 3, false, Set.of(DraftPart.NEXT_TOKEN))))
                .isEmpty();
    }

    private void config(String part, String instead) {
        assertThat(TinyCheckpoint.CONFIG).contains(part);
        TinyCheckpoint.text(directory.resolve("config.json"), TinyCheckpoint.CONFIG.replace(part, instead));
    }

    private void assertRefused(String... parts) {
        assertThatThrownBy(() -> HfConfig.read(directory))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(directory.toString())
                .hasMessageContainingAll(parts);
    }
}
