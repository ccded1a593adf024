package dev.hydrallm.hub;

import java.time.Duration;

/**
 * How long a hub is waited for.
 *
 * @param firstPause before a second try; doubled before each further one
 * @param tries that may fail one after the other before a file is given up
 * @param silence without a byte, after which a connection is dead
 */
public record Patience(Duration firstPause, int tries, Duration silence) {
    public static final Patience DEFAULT = new Patience(Duration.ofSeconds(1), 5, Duration.ofSeconds(30));
}
