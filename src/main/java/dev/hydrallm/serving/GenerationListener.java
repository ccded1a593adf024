package dev.hydrallm.serving;

import dev.hydrallm.decoding.TokenSink.Origin;

/**
 * Hears a text grow and end, on the decoding thread, or its end on the one that cancels it: must be quick and must not throw. What it
 * heard of the end has happened before anybody sees the result.
 */
@FunctionalInterface
public interface GenerationListener {
    /** Does nothing. */
    GenerationListener NONE = (text, origin) -> {};

    /** More whole characters; {@code origin} tells where the token that completed them came from. */
    void onText(String text, Origin origin);

    /** The request ended with a result. */
    default void onEnd(GenerationResult result) {}

    /** The request failed. */
    default void onFailure() {}
}
