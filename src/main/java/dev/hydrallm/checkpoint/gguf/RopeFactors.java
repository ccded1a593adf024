package dev.hydrallm.checkpoint.gguf;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.model.ModelFormatException;
import java.util.List;
import java.util.Optional;

/**
 * What {@code rope_freqs.weight} was made of: conversion of Llama 3.1 and later stores, for each rotary frequency, the
 * number that it is divided by, instead of the {@code rope_scaling} that these numbers follow from.
 *
 * @see <a href="https://github.com/huggingface/transformers/blob/main/src/transformers/modeling_rope_utils.py">
 *     _compute_llama3_parameters</a>
 */
final class RopeFactors {
    private static final double LOW_FREQUENCY_FACTOR = 1;
    private static final double HIGH_FREQUENCY_FACTOR = 4;
    private static final int ORIGINAL_CONTEXT = 8192;
    private static final int LONGEST = 1 << 12;
    private static final double TOLERANCE = 1e-4;

    private RopeFactors() {}

    /**
     * The configuration that gives these factors; empty when all are one.
     *
     * @throws ModelFormatException when they are not those of a Llama 3 model
     */
    static Optional<ObjectNode> scaling(GgufMetadata metadata, GgufTensor tensor, double theta) {
        // A head's dimensions are bounded; the reader of the configuration refuses more.
        int length = (int) Math.min(LONGEST, tensor.shape().getLast());
        float[] factors = new float[length];
        tensor.readRow(0, factors);
        double factor = factors[length - 1];
        boolean fits = tensor.shape().equals(List.of((long) length)) && factor >= 1;
        for (int i = 0; i < length; i++) {
            double expected = expected(factor, Math.pow(theta, -(double) i / length));
            fits &= Math.abs(factors[i] - expected) <= TOLERANCE * expected;
        }
        if (!fits) {
            throw metadata.broken(
                    "tensor " + tensor.name() + ": its factors are not those of Llama 3's rope_scaling with"
                            + " low_freq_factor 1, high_freq_factor 4 and 8192 original positions; no others are supported");
        }
        if (factor == 1) {
            return Optional.empty();
        }
        return Optional.of(JsonNodeFactory.instance
                .objectNode()
                .put("rope_type", "llama3")
                .put("factor", factor)
                .put("low_freq_factor", LOW_FREQUENCY_FACTOR)
                .put("high_freq_factor", HIGH_FREQUENCY_FACTOR)
                .put("original_max_position_embeddings", ORIGINAL_CONTEXT));
    }

    private static double expected(double factor, double frequency) {
        double turns = ORIGINAL_CONTEXT * frequency / (2 * Math.PI);
        if (turns > HIGH_FREQUENCY_FACTOR) {
            return 1;
        }
        if (turns < LOW_FREQUENCY_FACTOR) {
            return factor;
        }
        double smooth = (turns - LOW_FREQUENCY_FACTOR) / (HIGH_FREQUENCY_FACTOR - LOW_FREQUENCY_FACTOR);
        return 1 / ((1 - smooth) / factor + smooth);
    }
}
