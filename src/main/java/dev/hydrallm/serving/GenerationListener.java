package dev.hydrallm.serving;

import dev.hydrallm.decoding.TokenSink.Origin;

/** Hears a text grow, on the decoding thread: must be quick and must not throw. */
@FunctionalInterface
public interface GenerationListener {
    /** Does nothing. */
    GenerationListener NONE = (text, origin) -> {};

    /** More whole characters; {@code origin} tells where the token that completed them came from. */
    void onText(String text, Origin origin);
}
