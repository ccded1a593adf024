package dev.hydrallm.engine;

import dev.hydrallm.checkpoint.Checkpoint;
import dev.hydrallm.checkpoint.Packer;
import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.Shared;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Optional;

/** Packs of the models beside the project. */
final class SharedPacks {
    private SharedPacks() {}

    /** The base with the draft heads of so many forked layers, at full precision. */
    static PackedModel write(Path folder, int forkedLayers) {
        return write(folder, forkedLayers, Quantization.NONE);
    }

    static PackedModel write(Path folder, int forkedLayers, Quantization quantization) {
        Path heads = Shared.models().resolve("pycoder-hydra-" + forkedLayers + "l");
        Path pack = folder.resolve("pack-" + forkedLayers);
        try (Checkpoint checkpoint = Checkpoint.open(heads, Optional.empty(), warning -> {})) {
            Packer.Options options = new Packer.Options(quantization, Optional.empty(), Optional.empty());
            Packer.pack(checkpoint, options, pack, (bytes, total) -> {});
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return PackedModel.open(pack);
    }
}
