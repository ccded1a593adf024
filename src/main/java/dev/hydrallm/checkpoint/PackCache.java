package dev.hydrallm.checkpoint;

import dev.hydrallm.model.LoadOptions;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.natives.Sha256;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Packs of checkpoints that were named directly, one for each state of their files: a file that changes makes another
 * pack. Safe for several threads and processes at once, of which one packs and the others wait.
 */
public final class PackCache {
    private static final Object IN_THIS_PROCESS = new Object();

    private final Path directory;
    private final LoadOptions load;

    /** A cache in {@code hydra/packs} of the user's cache: {@code $XDG_CACHE_HOME}, else {@code ~/.cache}. */
    public static PackCache ofUser(LoadOptions load) {
        String cache = System.getenv("XDG_CACHE_HOME");
        Path base =
                cache == null || cache.isEmpty() ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(cache);
        return new PackCache(base.resolve("hydra").resolve("packs"), load);
    }

    /** A cache in a folder of its own. */
    public PackCache(Path directory) {
        this(directory, LoadOptions.DEFAULT);
    }

    private PackCache(Path directory, LoadOptions load) {
        this.directory = directory;
        this.load = load;
    }

    /** Told what happens where, before it does. */
    public interface Listener extends Consumer<String> {
        /** How far packing is. */
        Packer.Progress progress();
    }

    /**
     * Opens the pack of a checkpoint, making it first if there is none.
     *
     * @param model a directory of a model or of draft heads, or a GGUF file
     * @param base the base of draft heads instead of the one they name
     * @throws ModelFormatException when the checkpoint cannot be packed
     */
    public PackedModel open(Path model, Optional<Path> base, Quantization quantization, Listener listener)
            throws IOException {
        // A file lock holds off other processes only.
        synchronized (IN_THIS_PROCESS) {
            return openAlone(model, base, quantization, listener);
        }
    }

    private PackedModel openAlone(Path model, Optional<Path> base, Quantization quantization, Listener listener)
            throws IOException {
        Files.createDirectories(directory);
        Path pack = directory.resolve(key(model, base, quantization));
        Path lockFile = directory.resolve(pack.getFileName() + ".lock");
        try (FileChannel channel = FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                var lock = channel.lock()) {
            if (!lock.isValid()) {
                throw new IOException(lockFile + ": the lock was lost");
            }
            if (Files.exists(pack)) {
                try {
                    return PackedModel.open(pack, load);
                } catch (ModelFormatException e) {
                    listener.accept(e.getMessage() + "; packing it again");
                    ScratchFolder.delete(pack);
                }
            }
            removeUnfinished(pack);
            listener.accept("packing " + model + " into " + pack + ", once");
            try (Checkpoint checkpoint = Checkpoint.open(model, base, listener)) {
                Packer.Options options = new Packer.Options(quantization, Optional.empty(), Optional.empty());
                Packer.pack(checkpoint, options, pack, listener.progress());
            }
            return PackedModel.open(pack, load);
        }
    }

    /** The folder's name: the model's for people, and a digest of all that the pack depends on. */
    private static String key(Path model, Optional<Path> base, Quantization quantization) throws IOException {
        StringBuilder inputs = new StringBuilder("format " + Manifest.FORMAT_VERSION + "\n" + quantization + "\n");
        Path real = model.toRealPath();
        describe(real, inputs);
        Optional<Path> used = base;
        if (used.isEmpty() && TensorSource.hasHeads(real)) {
            used = Optional.of(HeadsConfig.read(real).base(real));
        }
        if (used.isPresent()) {
            describe(used.get().toRealPath(), inputs);
        }
        byte[] digest = Sha256.ofJava().digest(inputs.toString().getBytes(StandardCharsets.UTF_8));
        return Checkpoint.nameOf(real).replace("/", "--") + "-" + HexFormat.of().formatHex(digest, 0, 8);
    }

    private static void describe(Path source, StringBuilder inputs) throws IOException {
        inputs.append(source).append('\n');
        for (Path file : Checkpoint.filesOf(source)) {
            inputs.append(file.getFileName())
                    .append(' ')
                    .append(Files.size(file))
                    .append(' ')
                    .append(Files.getLastModifiedTime(file).toMillis())
                    .append('\n');
        }
    }

    /** What a killed process left; nobody else works on it while we hold the lock. */
    private void removeUnfinished(Path pack) throws IOException {
        List<Path> left;
        try (Stream<Path> entries = Files.list(directory)) {
            left = entries.filter(
                            entry -> entry.getFileName().toString().startsWith(pack.getFileName() + Packer.UNFINISHED))
                    .toList();
        }
        left.forEach(ScratchFolder::delete);
    }
}
