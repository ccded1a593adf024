package dev.hydrallm.decoding;

/** A line through measurements, which never falls: weighted least squares, where what is older counts less. */
final class Line {
    /** So much variance of places the slope that was known before is worth. */
    private static final double SLOPE_KEPT = 0.25;

    private double weight;
    private double place;
    private double value;
    private double square;
    private double product;
    private double slope;
    private int seen;

    /** @param slope what is assumed of it until values at several places were measured */
    Line(double slope) {
        this.slope = slope;
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
        seen++;
        double share = 1 / (1 + weight * kept);
        weight = 1 / share;
        place += share * (at - place);
        value += share * (measured - value);
        square += share * (at * at - square);
        product += share * (at * measured - product);
        double variance = square - place * place;
        double covariance = product - place * value;
        slope = Math.max(0, (covariance + SLOPE_KEPT * slope) / (variance + SLOPE_KEPT));
    }

    /** The line at a place, a tenth of the mean at least, for noise must make nothing free; at least one measurement was made. */
    double at(double where) {
        return Math.max(value / 10, value + slope * (where - place));
    }
}
