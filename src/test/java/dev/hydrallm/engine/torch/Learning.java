package dev.hydrallm.engine.torch;

import dev.hydrallm.training.HeadSums;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.Learner.Parameter;
import dev.hydrallm.training.Learner.Part;
import dev.hydrallm.training.Sample;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Small batches and what learners make of them. */
final class Learning {
    /** What weights are multiples of, so that a small step of such a power adds exactly. */
    private static final float GRAIN = 0x1p-10f;

    private Learning() {}

    /** Random weights everywhere, gains around 1. */
    static void scatter(Learner learner, long seed, double spread) {
        Random random = new Random(seed);
        for (Parameter parameter : learner.parameters()) {
            float[] values = new float[size(parameter)];
            for (int i = 0; i < values.length; i++) {
                double gauss =
                        spread * random.nextGaussian() + (parameter.name().contains("norm") ? 1 : 0);
                values[i] = Math.round(gauss / GRAIN) * GRAIN;
            }
            learner.set(parameter, Part.VALUE, FloatBuffer.wrap(values));
        }
    }

    static int size(Parameter parameter) {
        return Arrays.stream(parameter.shape()).reduce(1, Math::multiplyExact);
    }

    static float[] part(Learner learner, Parameter parameter, Part part) {
        FloatBuffer values = FloatBuffer.allocate(size(parameter));
        learner.export(parameter, part, values);
        return values.array();
    }

    static float[] value(Learner learner, Parameter parameter) {
        return part(learner, parameter, Part.VALUE);
    }

    static float[] gradient(TorchLearner learner, Parameter parameter) {
        FloatBuffer values = FloatBuffer.allocate(size(parameter));
        learner.exportGradient(parameter, values);
        return values.array();
    }

    /** Samples of these lengths, about so many of whose tokens are labelled. */
    static List<Sample> samples(int vocabulary, long seed, double labelled, int... lengths) {
        Random random = new Random(seed);
        return Arrays.stream(lengths)
                .mapToObj(length -> {
                    boolean[] labels = new boolean[length];
                    for (int i = 0; i < length; i++) {
                        labels[i] = random.nextDouble() < labelled;
                    }
                    return new Sample(random.ints(length, 0, vocabulary).toArray(), labels);
                })
                .toList();
    }

    static List<HeadSums> learn(Learner learner, List<Sample> batch, double... weights) {
        try (Learner.States states = learner.read(batch)) {
            return learner.learn(batch, states, weights);
        }
    }

    static List<HeadSums> measure(Learner learner, List<Sample> batch) {
        try (Learner.States states = learner.read(batch)) {
            return learner.measure(batch, states);
        }
    }

    static double[] weights(int heads) {
        double[] weights = new double[heads];
        Arrays.setAll(weights, head -> 0.5 / (1 + head));
        return weights;
    }

    static Learner.Update update(long number, double learningRate, double maxNorm) {
        return new Learner.Update(number, learningRate, 0.9, 0.99, 1e-8, 0.1, maxNorm);
    }
}
