package dev.hydrallm.serving;

/** Turns the configuration into a loaded model; the program's composition root supplies it. */
@FunctionalInterface
public interface ModelOpener {
    /** Loads; blocks until the model can generate. */
    TextModel open(ServingConfig config);
}
