package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.RopeScaling;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What a {@code config.json} says about positions: in {@code rope_scaling} with a {@code type} or {@code rope_type}, or
 * in the {@code rope_parameters} of newer files, which hold the base too.
 *
 * @param theta base of the rotary frequencies
 * @param scaling null where they are used as they are
 * @param contextLength positions that the model was made for, scaling included: {@code max_position_embeddings}; where
 *     that is the length before scaling, as files with dynamic and yarn often have it, the factor times that length;
 *     Vicuna's 16k models with linear scaling name it {@code max_sequence_length}
 */
record RopeConfig(double theta, @Nullable RopeScaling scaling, int contextLength) {
    private static final double DEFAULT_THETA = 10_000;
    private static final String POSITIONS = "max_position_embeddings";
    private static final String ORIGINAL = "original_max_position_embeddings";

    /**
     * Reads it.
     *
     * @param defaultPositions {@code max_position_embeddings} where it is left out
     * @throws ModelFormatException naming a kind of scaling that is not supported, or a value that is missing or no number
     * @throws IllegalArgumentException naming a value out of its bounds
     */
    static RopeConfig read(Path file, ObjectNode config, int defaultPositions) {
        int positions = JsonFiles.integer(file, config, POSITIONS, defaultPositions);
        double topTheta = JsonFiles.number(file, config, "rope_theta", DEFAULT_THETA);
        JsonFiles.requireNumber(file, config, "partial_rotary_factor", 1);
        String name = JsonFiles.has(config, "rope_scaling") ? "rope_scaling" : "rope_parameters";
        if (!JsonFiles.has(config, name)) {
            return new RopeConfig(topTheta, null, positions);
        }
        if (!(config.path(name) instanceof ObjectNode values)) {
            throw new ModelFormatException(file + ": " + name + " is " + config.path(name) + ", not an object");
        }
        JsonFiles.requireNumber(file, values, "partial_rotary_factor", 1);
        double theta = config.path("rope_parameters") instanceof ObjectNode newer
                ? JsonFiles.number(file, newer, "rope_theta", topTheta)
                : topTheta;
        String type = JsonFiles.has(values, "rope_type")
                ? values.path("rope_type").asText()
                : values.path("type").asText();
        return switch (type) {
            case "default" -> new RopeConfig(theta, null, positions);
            case "linear" ->
                new RopeConfig(
                        theta,
                        new RopeScaling.Linear(JsonFiles.number(file, values, "factor")),
                        Math.max(positions, JsonFiles.integer(file, config, "max_sequence_length", positions)));
            case "dynamic" -> {
                int original = JsonFiles.integer(file, values, ORIGINAL, positions);
                double factor = JsonFiles.number(file, values, "factor");
                yield new RopeConfig(
                        theta, new RopeScaling.Dynamic(factor, original), reach(positions, original, factor));
            }
            case "llama3" ->
                new RopeConfig(
                        theta,
                        new RopeScaling.Llama3(
                                JsonFiles.number(file, values, "factor"),
                                JsonFiles.number(file, values, "low_freq_factor"),
                                JsonFiles.number(file, values, "high_freq_factor"),
                                JsonFiles.integer(file, values, ORIGINAL)),
                        positions);
            case "yarn" -> yarn(file, values, theta, positions);
            default ->
                throw new ModelFormatException(file + ": " + name + " " + values
                        + (type.isEmpty() ? " names no rope_type" : ": the rope_type " + type + " is not supported")
                        + "; default, linear, dynamic, llama3 and yarn are");
        };
    }

    private static RopeConfig yarn(Path file, ObjectNode values, double theta, int positions) {
        if (JsonFiles.has(values, "truncate") && !JsonFiles.flag(file, values, "truncate")) {
            throw new ModelFormatException(file + ": the rope_type yarn with truncate false is not supported");
        }
        int original = JsonFiles.integer(file, values, ORIGINAL, positions);
        double factor = JsonFiles.number(file, values, "factor", (double) positions / original);
        double mscale = JsonFiles.number(file, values, "mscale", 0);
        double mscaleAllDim = JsonFiles.number(file, values, "mscale_all_dim", 0);
        double attentionFactor = mscale == 0 || mscaleAllDim == 0
                ? RopeScaling.Yarn.attentionFactorOf(factor, 1)
                : RopeScaling.Yarn.attentionFactorOf(factor, mscale)
                        / RopeScaling.Yarn.attentionFactorOf(factor, mscaleAllDim);
        RopeScaling scaling = new RopeScaling.Yarn(
                factor,
                JsonFiles.number(file, values, "attention_factor", attentionFactor),
                JsonFiles.number(file, values, "beta_fast", 32),
                JsonFiles.number(file, values, "beta_slow", 1),
                original);
        return new RopeConfig(theta, scaling, reach(positions, original, factor));
    }

    private static int reach(int positions, int original, double factor) {
        return Math.max(positions, (int) (original * factor));
    }
}
