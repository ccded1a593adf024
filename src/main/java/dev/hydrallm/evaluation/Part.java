package dev.hydrallm.evaluation;

import java.util.Optional;

/** One thing of a model that was to be measured. */
public sealed interface Part<T> {
    /** What came of it. */
    record Measured<T>(T value) implements Part<T> {}

    /** Nothing came of it. */
    record Gap<T>(String reason) implements Part<T> {}

    /** What was measured, if anything. */
    default Optional<T> found() {
        return this instanceof Measured<T>(T value) ? Optional.of(value) : Optional.empty();
    }

    /** Why nothing was. */
    default Optional<String> missing() {
        return this instanceof Gap<T>(String reason) ? Optional.of(reason) : Optional.empty();
    }
}
