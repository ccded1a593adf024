package dev.hydrallm.training;

/** What there is to learn from, in a fixed order. Any thread may read. */
public interface Samples {
    int count();

    /** Tokens of a sample, which costs less than reading it. */
    int length(int sample);

    /** Sample {@code sample}, counted from 0. */
    Sample get(int sample);

    /** What the samples are, in a few letters and digits: equal for equal ones, so that a run is not resumed on others. */
    String fingerprint();
}
