package dev.hydrallm.training;

import java.util.Locale;

/** How the learning rate goes after the warm-up: down from its peak, or not. The names are those of the transformers library. */
public enum Schedule {
    /** {@code (1 + cos(π·t)) / 2} for t from 0 to 1. */
    COSINE {
        @Override
        double after(double part) {
            return 0.5 * (1 + Math.cos(Math.PI * part));
        }
    },
    /** {@code 1 - t}. */
    LINEAR {
        @Override
        double after(double part) {
            return 1 - part;
        }
    },
    /** As it is from the first step on. */
    CONSTANT {
        @Override
        double after(double part) {
            return 1;
        }

        @Override
        long warmupSteps(double ratio, long steps) {
            return 0;
        }
    },
    CONSTANT_WITH_WARMUP {
        @Override
        double after(double part) {
            return 1;
        }
    };

    /** The share of the peak when a part of the way after the warm-up is gone. */
    abstract double after(double part);

    /** Steps of the warm-up. */
    long warmupSteps(double ratio, long steps) {
        return (long) Math.ceil(ratio * steps);
    }

    /**
     * The learning rate of a step, as a share of its peak: during a warm-up of w of n steps {@code step / (w + 1)}, so that no step is
     * lost; then {@code after((step - 1 - w) / (n - w))}, as transformers counts.
     *
     * @param step from 1
     */
    public double share(long step, long steps, double warmupRatio) {
        long warmup = warmupSteps(warmupRatio, steps);
        return step <= warmup
                ? (double) step / (warmup + 1)
                : after((double) (step - 1 - warmup) / Math.max(1, steps - warmup));
    }

    /**
     * The schedule of a name.
     *
     * @throws IllegalArgumentException when there is none
     */
    public static Schedule named(String name) {
        for (Schedule each : values()) {
            if (each.toString().equals(name.toLowerCase(Locale.ROOT).replace('-', '_'))) {
                return each;
            }
        }
        throw new IllegalArgumentException(
                "learning rate schedule " + name + " is not cosine, linear, constant or constant_with_warmup");
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
