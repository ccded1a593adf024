package dev.hydrallm.cli;

import java.nio.file.Path;

final class Packing {
    private Packing() {}

    static Path cached(Path directory, ModelOptions options) {
        if (options.baseModel != null) {
            return options.baseModel;
        }
        return directory;
    }
}
