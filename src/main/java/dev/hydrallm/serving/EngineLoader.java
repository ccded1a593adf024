package dev.hydrallm.serving;

import dev.hydrallm.decoding.Engine;
import dev.hydrallm.model.PackedModel;

/** Makes the engine of a packed model, on the thread that will own it. */
@FunctionalInterface
public interface EngineLoader {
    /** Loads a model onto its device; it stays open as long as the engine. */
    Engine load(PackedModel model);
}
