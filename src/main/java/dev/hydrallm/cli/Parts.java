package dev.hydrallm.cli;

import dev.hydrallm.evaluation.Part;
import java.io.IOException;
import java.util.function.BooleanSupplier;
import java.util.function.IntConsumer;

/**
 * Measurements that may fail, or be left when the command is to end, one without the other: what does not come to its end is a gap
 * with a reason.
 */
final class Parts {
    /** The reason of what was not reached. */
    static final String ENDED = "the command was ended before";

    private final BooleanSupplier ended;

    /** @param ended whether all is to come to an end */
    Parts(BooleanSupplier ended) {
        this.ended = ended;
    }

    /** A part's work. */
    @FunctionalInterface
    interface Work<T> {
        T measure() throws IOException;
    }

    /** Leaves a part that takes long. */
    private static final class Ended extends RuntimeException {
        private static final long serialVersionUID = 1;

        Ended() {
            super(ENDED, null, false, false);
        }
    }

    <T> Part<T> of(Work<T> work) {
        if (ended()) {
            return gap(ENDED);
        }
        try {
            return new Part.Measured<>(work.measure());
        } catch (IOException | RuntimeException e) {
            return gap(Cli.oneLine(e));
        }
    }

    boolean ended() {
        return ended.getAsBoolean();
    }

    static <T> Part<T> gap(String reason) {
        return new Part.Gap<>(reason);
    }

    /** Shows how far a part is, and leaves it when the command is to end. */
    IntConsumer counting(String what, int all, String units) {
        Progress progress = new Progress(what);
        return done -> {
            progress.count(done, all, units);
            if (ended()) {
                throw new Ended();
            }
        };
    }
}
