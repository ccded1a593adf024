package dev.hydrallm.cli;

import dev.hydrallm.evaluation.SlidingWindows;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How a text that is longer than the context is read. */
final class WindowOptions {
    @Option(
            names = "--window",
            paramLabel = "TOKENS",
            description = "Most tokens the model sees at a time. Default: its context.")
    @Nullable
    Integer window;

    @Option(
            names = "--stride",
            paramLabel = "TOKENS",
            description = "How far a window moves. Each token is scored once, with at least window - stride tokens"
                    + " before it: smaller is fairer and slower. Default: half the window.")
    @Nullable
    Integer stride;

    /** The windows of a model of this context. */
    SlidingWindows of(int context) {
        int size = window == null ? context : window;
        if (size > context) {
            throw new IllegalArgumentException(
                    "--window " + size + " is longer than the context of " + context + " tokens");
        }
        return new SlidingWindows(size, stride == null ? Math.max(1, size / 2) : stride);
    }
}
