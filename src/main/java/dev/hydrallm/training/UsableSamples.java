package dev.hydrallm.training;

import java.util.Arrays;
import java.util.function.IntConsumer;

/**
 * Those of other samples that say something to a head, none longer than the model reads at once: longer ones are cut at their end.
 * Thread-safe.
 */
public final class UsableSamples implements Samples {
    private final Samples all;
    private final int longest;
    private final int[] places;
    private final long cut;

    private UsableSamples(Samples all, int longest, int[] places, long cut) {
        this.all = all;
        this.longest = longest;
        this.places = places;
        this.cut = cut;
    }

    /**
     * Goes through all samples once.
     *
     * @param vocabulary how many tokens there are
     * @param progress told how many were gone through
     * @throws IllegalArgumentException when a token is none of the vocabulary, or no sample is of use
     */
    public static UsableSamples of(Samples all, int longest, int vocabulary, IntConsumer progress) {
        int[] places = new int[all.count()];
        int count = 0;
        long cut = 0;
        for (int i = 0; i < all.count(); i++) {
            Sample sample = cut(all.get(i), longest);
            for (int token : sample.tokens()) {
                if (token < 0 || token >= vocabulary) {
                    throw new IllegalArgumentException("sample " + i + " has the token " + token
                            + ", and the model's vocabulary ends at " + (vocabulary - 1)
                            + ": prepare the data with this model's tokenizer");
                }
            }
            // Who says nothing to the first head says nothing to the others.
            if (sample.labels(0) > 0) {
                places[count++] = i;
                cut += all.length(i) > longest ? 1 : 0;
            }
            progress.accept(i + 1);
        }
        if (count == 0) {
            throw new IllegalArgumentException("none of " + all.count()
                    + " samples has a labelled token that a head could foretell, which is the third or a later one");
        }
        return new UsableSamples(all, longest, Arrays.copyOf(places, count), cut);
    }

    private static Sample cut(Sample sample, int longest) {
        return sample.tokens().length <= longest
                ? sample
                : new Sample(Arrays.copyOf(sample.tokens(), longest), Arrays.copyOf(sample.labelled(), longest));
    }

    /** How many of the others were of no use. */
    public int useless() {
        return all.count() - places.length;
    }

    /** How many were cut. */
    public long cut() {
        return cut;
    }

    /** Tokens of all of them. */
    public long tokens() {
        long sum = 0;
        for (int i = 0; i < places.length; i++) {
            sum += length(i);
        }
        return sum;
    }

    @Override
    public int count() {
        return places.length;
    }

    @Override
    public int length(int sample) {
        return Math.min(longest, all.length(places[sample]));
    }

    @Override
    public Sample get(int sample) {
        return cut(all.get(places[sample]), longest);
    }

    @Override
    public String fingerprint() {
        return all.fingerprint() + "-" + longest;
    }
}
