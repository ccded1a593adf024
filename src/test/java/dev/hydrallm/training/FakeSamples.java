package dev.hydrallm.training;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/** Samples in memory. */
public record FakeSamples(List<Sample> samples) implements Samples {
    /** Texts of a cycle of tokens from a seed's place on, of 5 to 20 tokens, two thirds of them labelled. */
    static FakeSamples random(int count, int vocabulary) {
        Random random = new Random(3);
        return new FakeSamples(IntStream.range(0, count)
                .mapToObj(i -> {
                    int[] tokens = new int[5 + random.nextInt(16)];
                    boolean[] labelled = new boolean[tokens.length];
                    int begin = random.nextInt(vocabulary);
                    for (int j = 0; j < tokens.length; j++) {
                        tokens[j] = random.nextInt(8) == 0 ? random.nextInt(vocabulary) : (begin + j) % vocabulary;
                        labelled[j] = j > tokens.length / 3;
                    }
                    return new Sample(tokens, labelled);
                })
                .toList());
    }

    @Override
    public int count() {
        return samples.size();
    }

    @Override
    public int length(int sample) {
        return samples.get(sample).tokens().length;
    }

    @Override
    public Sample get(int sample) {
        return samples.get(sample);
    }

    @Override
    public String fingerprint() {
        return Integer.toHexString(
                samples.stream().map(Sample::tokens).mapToInt(Arrays::hashCode).sum());
    }
}
