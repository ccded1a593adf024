package dev.hydrallm.decoding;

/** A line through measurements, which never falls: weighted least squares, where what is older counts less. */
final class Line {
    /** So much variance of places the assumed slope is worth. */
    private static final double ASSUMED_VARIANCE = 0.25;

    private double assumedSlope;

    private double weight;
    private double place;
    private double value;
    private double square;
    private double product;
    private double slope;
    private int seen;

    /** @param assumedSlope what its slope is taken for until values at different places show it */
    Line(double assumedSlope) {
        this.assumedSlope = assumedSlope;
        slope = assumedSlope;
    }

    /** How many measurements it has. */
    int seen() {
        return seen;
    }

    /**
     * Adds a measurement.
     *
     * @param kept what the older ones count from now on, 0 to 1 of what they did
     */
    void add(double at, double measured, double kept) {
        seen = Math.max(seen, seen + 1); // a server may run for years
        double share = 1 / (1 + weight * kept);
        weight = 1 / share;
        place += share * (at - place);
        value += share * (measured - value);
        square += share * (at * at - square);
        product += share * (at * measured - product);
        double variance = square - place * place;
        double covariance = product - place * value;
        if (variance > ASSUMED_VARIANCE) {
            assumedSlope += share * (Math.max(0, covariance / variance) - assumedSlope);
        }
        slope = Math.max(0, (covariance + ASSUMED_VARIANCE * assumedSlope) / (variance + ASSUMED_VARIANCE));
    }

    /** The line at a place, a tenth of the mean at least, for noise must make nothing free; at least one measurement was made. */
    double at(double where) {
        return Math.max(value / 10, value + slope * (where - place));
    }
}
