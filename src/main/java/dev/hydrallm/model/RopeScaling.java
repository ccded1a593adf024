package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import java.util.function.DoubleUnaryOperator;

/**
 * How a model's rotary frequencies were changed to reach beyond the context of its training. The formulas are those of
 * Hugging Face's {@code modeling_rope_utils.py}, in double precision but for the unscaled frequencies, which are rounded
 * to single there and here.
 */
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonSubTypes({
    @JsonSubTypes.Type(value = RopeScaling.Linear.class, name = "linear"),
    @JsonSubTypes.Type(value = RopeScaling.Dynamic.class, name = "dynamic"),
    @JsonSubTypes.Type(value = RopeScaling.Llama3.class, name = "llama3"),
    @JsonSubTypes.Type(value = RopeScaling.Yarn.class, name = "yarn"),
})
public sealed interface RopeScaling {
    /**
     * The angles by which the pairs of a head turn from one position to the next, in radians, (headDim / 2).
     *
     * @param theta base of the unscaled frequencies
     * @param context tokens that the engine runs with
     */
    float[] frequencies(double theta, int headDim, int context);

    /** What the lengths of rotated queries and keys are multiplied by. */
    default double amplitude() {
        return 1;
    }

    /** The frequencies without scaling: theta^(-2j/headDim). */
    static float[] unscaled(double theta, int headDim) {
        float[] frequencies = new float[headDim / 2];
        for (int j = 0; j < frequencies.length; j++) {
            frequencies[j] = 1 / (float) Math.pow(theta, 2.0 * j / headDim);
        }
        return frequencies;
    }

    private static float[] scaled(double theta, int headDim, DoubleUnaryOperator change) {
        float[] frequencies = unscaled(theta, headDim);
        for (int j = 0; j < frequencies.length; j++) {
            frequencies[j] = (float) change.applyAsDouble(frequencies[j]);
        }
        return frequencies;
    }

    private static void factorAndContext(double factor, int originalContext) {
        within("factor", factor, 1, 1e4);
        Architecture.within("rope scaling original_context", originalContext, 1, 1 << 24);
    }

    private static void within(String name, double value, double least, double most) {
        if (!(value >= least && value <= most)) {
            throw new IllegalArgumentException(
                    "rope scaling " + name + " is " + value + ", not between " + least + " and " + most);
        }
    }

    /** Position interpolation (Chen et al. 2023): all frequencies divided by the factor. */
    record Linear(double factor) implements RopeScaling {
        public Linear {
            within("factor", factor, 1, 1e4);
        }

        @Override
        public float[] frequencies(double theta, int headDim, int context) {
            return scaled(theta, headDim, frequency -> frequency / factor);
        }
    }

    /**
     * NTK-aware scaling whose base grows with the sequence. Hugging Face raises the base whenever a sequence outgrows the
     * longest one so far; keys that are in a cache by then keep the angles of the old base, so that what is generated
     * depends on how the text was cut into steps. Here the base is that of the whole context the engine runs with, for
     * all positions: it is what Hugging Face computes for a prompt of that length, a step's tokens do not depend on the
     * steps before, and a context within the original one is not scaled at all.
     *
     * @param originalContext tokens that the model was trained with
     */
    record Dynamic(double factor, int originalContext) implements RopeScaling {
        public Dynamic {
            factorAndContext(factor, originalContext);
        }

        @Override
        public float[] frequencies(double theta, int headDim, int context) {
            double growth = factor * Math.max(context, originalContext) / originalContext - (factor - 1);
            return unscaled(theta * Math.pow(growth, headDim / (headDim - 2.0)), headDim);
        }
    }

    /**
     * Llama 3.1: waves longer than {@code originalContext / lowFrequencyFactor} are stretched by the factor, those shorter
     * than {@code originalContext / highFrequencyFactor} stay, and between them the stretching fades.
     *
     * @param originalContext tokens that the model was trained with
     */
    record Llama3(double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalContext)
            implements RopeScaling {
        public Llama3 {
            factorAndContext(factor, originalContext);
            within("low_frequency_factor", lowFrequencyFactor, 1e-3, 1e3);
            within("high_frequency_factor", highFrequencyFactor, Math.nextUp(lowFrequencyFactor), 1e6);
        }

        @Override
        public float[] frequencies(double theta, int headDim, int context) {
            return scaled(theta, headDim, frequency -> {
                double turns = originalContext * frequency / (2 * Math.PI);
                double kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
                double share = Math.clamp(kept, 0, 1);
                return (1 - share) * frequency / factor + share * frequency;
            });
        }
    }

    /**
     * YaRN (Peng et al. 2023): pairs that turn more than {@code betaFast} times within the original context stay, those
     * that turn less than {@code betaSlow} times are stretched by the factor, between them a linear ramp over their index.
     *
     * @param attentionFactor what rotated queries and keys are multiplied by
     * @param originalContext tokens that the model was trained with
     */
    record Yarn(double factor, double attentionFactor, double betaFast, double betaSlow, int originalContext)
            implements RopeScaling {
        public Yarn {
            factorAndContext(factor, originalContext);
            within("attention_factor", attentionFactor, 1e-3, 1e3);
            within("beta_slow", betaSlow, 1e-3, 1e4);
            within("beta_fast", betaFast, betaSlow, 1e4);
        }

        /** The paper's attention factor for a scale, as a model means it that names none: 0.1 mscale ln(factor) + 1. */
        public static double attentionFactorOf(double factor, double mscale) {
            return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
        }

        @Override
        public float[] frequencies(double theta, int headDim, int context) {
            double first = Math.max(Math.floor(pairOfTurns(betaFast, theta, headDim)), 0);
            double last = Math.min(Math.ceil(pairOfTurns(betaSlow, theta, headDim)), headDim - 1.0);
            // As there: a ramp of no length is a step.
            double length = first == last ? 0.001 : last - first;
            float[] frequencies = unscaled(theta, headDim);
            for (int j = 0; j < frequencies.length; j++) {
                double stretched = Math.clamp((j - first) / length, 0, 1);
                frequencies[j] = (float) (frequencies[j] / factor * stretched + frequencies[j] * (1 - stretched));
            }
            return frequencies;
        }

        /** The index of the pair that turns so many times within the original context, between two pairs perhaps. */
        private double pairOfTurns(double turns, double theta, int headDim) {
            return headDim * Math.log(originalContext / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
        }

        @Override
        public double amplitude() {
            return attentionFactor;
        }
    }
}
