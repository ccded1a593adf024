package dev.hydrallm.model;

/**
 * Attention to near tokens only.
 *
 * @param length tokens that a token sees, itself included: a key {@code length} or more places before it is hidden
 * @param firstLayer the first layer with a window; those before it see everything
 */
public record SlidingWindow(int length, int firstLayer) {
    /** @throws IllegalArgumentException naming the first value out of its bounds */
    public SlidingWindow {
        Architecture.within("sliding_window", length, 1, 1 << 24);
        Architecture.within("first layer with a sliding window", firstLayer, 0, (1 << 10) - 1);
    }
}
