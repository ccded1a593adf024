package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.RopeScaling;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Positions as published configurations describe them. */
class RopeConfigTest {
    private static RopeConfig read(String config) {
        try {
            return RopeConfig.read(
                    Path.of("config.json"), (ObjectNode) new JsonMapper().readTree("{" + config + "}"), 2048);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'rope_scaling': null",
                "'rope_scaling': {'rope_type': 'default'}",
                "'rope_parameters': {'rope_type': 'default', 'rope_theta': 10000.0}",
                "'partial_rotary_factor': 1.0"
            })
    void nothingIsScaledByDefault(String config) {
        assertThat(read(config.replace('\'', '"'))).isEqualTo(new RopeConfig(10_000, null, 2048));
    }

    @Test
    void vicuna16k() {
        assertThat(read("""
                "max_position_embeddings": 4096, "max_sequence_length": 16384,
                "rope_scaling": {"factor": 4.0, "type": "linear"}
                """)).isEqualTo(new RopeConfig(10_000, new RopeScaling.Linear(4), 16_384));
    }

    @Test
    void linearWithTheScaledLengthNamed() {
        assertThat(read("""
                "max_position_embeddings": 32768, "rope_scaling": {"factor": 8.0, "type": "linear"}
                """).contextLength()).isEqualTo(32_768);
    }

    @Test
    void dynamicReachesItsFactorTimesTheOriginalLength() {
        assertThat(read("""
                "max_position_embeddings": 4096, "rope_scaling": {"factor": 2.0, "rope_type": "dynamic"}
                """)).isEqualTo(new RopeConfig(10_000, new RopeScaling.Dynamic(2, 4096), 8192));
    }

    @Test
    void llama31() {
        assertThat(read("""
                "max_position_embeddings": 131072, "rope_theta": 500000.0,
                "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                 "original_max_position_embeddings": 8192, "rope_type": "llama3"}
                """)).isEqualTo(new RopeConfig(500_000, new RopeScaling.Llama3(8, 1, 4, 8192), 131_072));
    }

    @Test
    void llama32InTheNewerForm() {
        assertThat(read("""
                "max_position_embeddings": 131072,
                "rope_parameters": {"factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 8192, "rope_type": "llama3", "rope_theta": 500000.0}
                """)).isEqualTo(new RopeConfig(500_000, new RopeScaling.Llama3(32, 1, 4, 8192), 131_072));
    }

    @Test
    void qwenWithYarn() {
        RopeConfig qwen = read("""
                "max_position_embeddings": 32768, "rope_theta": 1000000.0,
                "rope_scaling": {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}
                """);
        assertThat(qwen.contextLength()).isEqualTo(131_072);
        assertYarn(qwen, 4, 1.138629436);
    }

    @Test
    void yarnTakesItsAttentionFactorOrComputesItFromTwoScales() {
        assertYarn(read(yarn("\"attention_factor\": 0.5, \"mscale\": 2.0")), 4, 0.5);
        // (0.1 · 0.707 · ln 4 + 1) / (0.1 · 0.5 · ln 4 + 1)
        assertYarn(read(yarn("\"mscale\": 0.707, \"mscale_all_dim\": 0.5")), 4, 1.098011011 / 1.069314718);
        assertYarn(read(yarn("\"mscale\": 0.707")), 4, 1.138629436);
    }

    @Test
    void yarnWithoutAFactorTakesTheRatioOfItsLengths() {
        assertYarn(
                read(yarn("\"beta_fast\": 16").replace("\"factor\": 4,", "") + ", \"max_position_embeddings\": 16384"),
                2,
                1.069314718);
    }

    private static String yarn(String more) {
        return "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4,"
                + " \"original_max_position_embeddings\": 8192, " + more + "}";
    }

    private static void assertYarn(RopeConfig config, double factor, double attentionFactor) {
        assertThat(Objects.requireNonNull(config.scaling())).isInstanceOfSatisfying(RopeScaling.Yarn.class, found -> {
            assertThat(found.factor()).isEqualTo(factor);
            assertThat(found.attentionFactor()).isCloseTo(attentionFactor, within(1e-8));
        });
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "'rope_scaling': {'type': 'longrope', 'factor': 4}    | the rope_type longrope is not supported; default, linear",
                "'rope_scaling': {'type': 'su', 'factor': 4}          | the rope_type su is not supported",
                "'rope_scaling': {'rope_type': 'mrope'}               | the rope_type mrope is not supported",
                "'rope_scaling': {'factor': 4}                        | names no rope_type",
                "'rope_parameters': {'full_attention': {}}            | names no rope_type",
                "'rope_scaling': 4                                    | rope_scaling is 4, not an object",
                "'rope_scaling': {'type': 'linear'}                   | factor is missing",
                "'rope_scaling': {'type': 'linear', 'factor': '4'}    | factor is \"4\", not a number",
                "'rope_scaling': {'type': 'llama3', 'factor': 8}      | low_freq_factor is missing",
                "'rope_scaling': {'type': 'yarn', 'factor': 4, 'truncate': false} | yarn with truncate false is not supported",
                "'partial_rotary_factor': 0.5                         | partial_rotary_factor 0.5 is not supported; only 1.0 is",
                "'rope_parameters': {'rope_type': 'default', 'partial_rotary_factor': 0.5} | partial_rotary_factor 0.5",
            })
    void whatIsNotBuiltIsRefusedByName(String config, String message) {
        assertThatThrownBy(() -> read(config.replace('\'', '"')))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith("config.json: ")
                .hasMessageContaining(message.replace('\'', '"'));
    }
}
