package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.PackCache;
import dev.hydrallm.checkpoint.Packer;
import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.model.LoadOptions;
import dev.hydrallm.model.PackedModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Optional;

/** Packing with its progress on stderr. */
final class Packing {
    private Packing() {}

    /** The pack of a checkpoint in the user's cache, made on first use. */
    static PackedModel cached(Path model, Optional<Path> base, Quantization quantization, LoadOptions load) {
        try {
            return PackCache.ofUser(load).open(model, base, quantization, new Listener());
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage() == null ? "packing failed" : e.getMessage(), e);
        }
    }

    static Packer.Progress progress() {
        Progress bar = new Progress("Packing");
        return (bytes, total) -> bar.show(bytes, total, "written");
    }

    private static final class Listener implements PackCache.Listener {
        @Override
        public void accept(String what) {
            System.err.println("hydra: " + what);
        }

        @Override
        public Packer.Progress progress() {
            return Packing.progress();
        }
    }
}
