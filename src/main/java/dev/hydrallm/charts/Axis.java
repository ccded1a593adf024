package dev.hydrallm.charts;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * An axis from one round number to another.
 *
 * @param step between the numbers that stand at it
 */
record Axis(double from, double to, double step) {
    /** An axis over all finite values, from a round number to one, with about so many numbers at it. */
    static Axis over(List<double[]> values, int numbers) {
        Axis exact = exactly(values, numbers);
        double step = exact.step;
        return new Axis(Math.floor(exact.from / step + 1e-9) * step, Math.ceil(exact.to / step - 1e-9) * step, step);
    }

    /** An axis from the least finite value to the greatest. */
    static Axis exactly(List<double[]> values, int numbers) {
        double least = Double.POSITIVE_INFINITY;
        double most = Double.NEGATIVE_INFINITY;
        for (double[] each : values) {
            for (double value : each) {
                if (Double.isFinite(value)) {
                    least = Math.min(least, value);
                    most = Math.max(most, value);
                }
            }
        }
        if (least > most) {
            return new Axis(0, 1, 0.5);
        }
        double room = least < most ? 0 : least == 0 ? 1 : Math.abs(least) / 2;
        return new Axis(least - room, most + room, round((most - least + 2 * room) / numbers));
    }

    /** The next 1, 2 or 5 of any power of ten. */
    private static double round(double step) {
        double power = Math.pow(10, Math.floor(Math.log10(step)));
        for (double digit : new double[] {1, 2, 5}) {
            if (digit * power >= step * (1 - 1e-9)) {
                return digit * power;
            }
        }
        return 10 * power;
    }

    /** The numbers at it. */
    List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        long first = Math.round(Math.ceil(from / step - 1e-6));
        long last = Math.round(Math.floor(to / step + 1e-6));
        for (long tick = first; tick <= last; tick++) {
            ticks.add(tick * step);
        }
        return ticks;
    }

    /** A number at it, with the digits that its step needs. */
    String label(double tick) {
        int digits = (int) Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
        return String.format(Locale.ROOT, "%,." + digits + "f", tick);
    }

    /** Where a value is: 0 at the beginning, 1 at the end. */
    double share(double value) {
        return (value - from) / (to - from);
    }

    /** A number with about three digits. */
    static String number(double value) {
        double size = Math.abs(value);
        if (value == Math.rint(value) && size < 1e6) {
            return String.format(Locale.ROOT, "%,.0f", value);
        }
        return String.format(
                Locale.ROOT, size >= 100 ? "%,.0f" : size >= 10 ? "%.1f" : size >= 0.1 ? "%.2f" : "%.3g", value);
    }
}
