package dev.hydrallm.checkpoint;

import dev.hydrallm.model.FileDigest;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

/**
 * Makes a packed model of a checkpoint. All is written into a folder beside the target, which takes the target's name in
 * one move at the very end: whatever interrupts it, the target is a whole pack or not there.
 */
public final class Packer {
    /** What the name of an unfinished pack's folder contains. */
    static final String UNFINISHED = ".unfinished-";

    /**
     * What to make of a checkpoint.
     *
     * @param tree the pack's own draft tree; empty leaves the choice to the default for its heads
     * @param name what the model is called; empty takes the directory's name
     */
    public record Options(Quantization quantization, Optional<List<List<Integer>>> tree, Optional<String> name) {}

    /** Told how far it is. */
    @FunctionalInterface
    public interface Progress {
        /** Bytes of weights written so far, of all. */
        void written(long bytes, long total);
    }

    private Packer() {}

    /**
     * Packs.
     *
     * @param target a path where nothing is yet, or an empty folder
     * @throws ModelFormatException when a tensor is missing, unexpected, wrongly shaped or not finite
     * @throws IOException when the target exists or cannot be written
     */
    public static void pack(Checkpoint checkpoint, Options options, Path target, Progress progress) throws IOException {
        PackSource source = new PackSource(checkpoint);
        whole(target, directory -> write(checkpoint, source, options, directory, progress));
    }

    /** What writes a pack's files into a folder. */
    interface Content {
        void write(Path directory) throws IOException;
    }

    /**
     * Writes a pack, all of it or nothing.
     *
     * @throws IOException when the target exists or cannot be written
     */
    static void whole(Path target, Content content) throws IOException {
        Path absolute = target.toAbsolutePath().normalize();
        requireFree(absolute);
        Files.createDirectories(absolute.getParent());
        try (ScratchFolder unfinished = ScratchFolder.create(
                absolute.resolveSibling(absolute.getFileName() + UNFINISHED + UUID.randomUUID()))) {
            content.write(unfinished.path());
            Files.move(unfinished.path(), absolute, StandardCopyOption.ATOMIC_MOVE);
        }
    }

    private static void write(
            Checkpoint checkpoint, PackSource source, Options options, Path directory, Progress progress)
            throws IOException {
        HfConfig config = checkpoint.config();
        Map<TensorGroup, WeightFormat> formats = source.formats(options.quantization());
        // Before the weights, which take long.
        byte[] tokenizer = checkpoint.tokenizer();
        List<PackLayout.Part> parts = PackLayout.parts(config.architecture(), checkpoint.layout());
        PackWriter weights;
        try {
            weights = new PackWriter(directory.resolve(Manifest.WEIGHTS_FILE), parts, formats);
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(checkpoint.weights() + ": " + e.getMessage(), e);
        }
        FileDigest weightsDigest = weights.write(source::rows, progress);
        Files.write(directory.resolve(Manifest.TOKENIZER_FILE), tokenizer);
        try {
            new Manifest(
                            Manifest.FORMAT_VERSION,
                            options.name().orElseGet(checkpoint::name),
                            config.architecture(),
                            checkpoint.layout(),
                            formats,
                            options.tree().orElse(null),
                            checkpoint.chatTemplate(),
                            config.bosId(),
                            config.eosIds(),
                            checkpoint.sources(),
                            Map.of(
                                    Manifest.WEIGHTS_FILE,
                                    weightsDigest,
                                    Manifest.TOKENIZER_FILE,
                                    FileDigest.of(tokenizer)))
                    .write(directory);
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(checkpoint.weights() + ": " + e.getMessage(), e);
        }
    }

    private static void requireFree(Path target) throws IOException {
        if (Files.isDirectory(target)) {
            try (var entries = Files.list(target)) {
                if (entries.findAny().isEmpty()) {
                    return;
                }
            }
        }
        if (Files.exists(target)) {
            throw new IOException(target + " exists already; remove it or choose another place");
        }
    }
}
