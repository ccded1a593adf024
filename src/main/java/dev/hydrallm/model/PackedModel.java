package dev.hydrallm.model;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * An open packed model: no byte of a file is handed out that does not match its SHA-256, and the weights hold exactly the
 * tensors that the manifest calls for.
 *
 * <p>Thread-safe. After {@link #close} the tensors' memory can no longer be read.
 */
public final class PackedModel implements AutoCloseable {
    private final Path directory;
    private final Manifest manifest;
    private final PackedWeights weights;

    private PackedModel(Path directory, Manifest manifest, PackedWeights weights) {
        this.directory = directory;
        this.manifest = manifest;
        this.weights = weights;
    }

    /** Whether the directory claims to be a packed model; {@link #open} may still find it broken. */
    public static boolean isPack(Path directory) {
        return Files.isRegularFile(directory.resolve(Manifest.FILE));
    }

    /**
     * Opens a pack and checks all of it: this reads every byte once.
     *
     * @throws ModelFormatException when a file is missing, altered or malformed, or tensors are missing, unexpected or
     *     of another type or shape than the manifest implies
     */
    public static PackedModel open(Path directory) {
        return open(directory, LoadOptions.DEFAULT);
    }

    /** The same, read in another way. */
    public static PackedModel open(Path directory, LoadOptions options) {
        return verified(open(directory, options, PackedWeights.Keep.TENSORS));
    }

    /**
     * Opens a pack whose tensors are used while others are still on their way from the disk. What is wrong with the weights'
     * bytes is thrown by {@link #tensor} and {@link #awaitVerified}.
     *
     * @throws ModelFormatException as {@link #open}, for all but those bytes
     */
    public static PackedModel openAhead(Path directory, LoadOptions options) {
        return open(directory, options, PackedWeights.Keep.TENSORS);
    }

    /**
     * Checks all of a pack as {@link #open} does, but keeps nothing of its weights in memory; tensors are read when one is
     * asked for.
     */
    public static PackedModel check(Path directory, LoadOptions options) {
        return verified(open(directory, options, PackedWeights.Keep.NOTHING));
    }

    private static PackedModel open(Path directory, LoadOptions options, PackedWeights.Keep keep) {
        Manifest manifest = Manifest.read(directory);
        Path tokenizer = directory.resolve(Manifest.TOKENIZER_FILE);
        try {
            manifest.digest(Manifest.TOKENIZER_FILE).check(tokenizer, Files.readAllBytes(tokenizer));
        } catch (IOException e) {
            throw new ModelFormatException(tokenizer + ": cannot be read: " + ModelFormatException.reason(e), e);
        }
        Path file = directory.resolve(Manifest.WEIGHTS_FILE);
        PackedWeights weights = PackedWeights.open(file, manifest.digest(Manifest.WEIGHTS_FILE), options, keep);
        try {
            checkTensors(file, weights, manifest);
            return new PackedModel(directory, manifest, weights);
        } catch (RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    private static PackedModel verified(PackedModel model) {
        try {
            model.awaitVerified();
            return model;
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** The directory of the pack. */
    public Path directory() {
        return directory;
    }

    public Manifest manifest() {
        return manifest;
    }

    public Architecture architecture() {
        return manifest.architecture();
    }

    public DraftLayout draft() {
        return manifest.draft();
    }

    /** How many weights its matrices hold, draft layers and heads included. */
    public long weights() {
        return PackLayout.parts(architecture(), draft()).stream()
                .mapToLong(part -> part instanceof PackLayout.Matrix matrix ? matrix.rows() * matrix.columns() : 0)
                .sum();
    }

    /** The tokenizer in the format of the Hugging Face tokenizers library. */
    public Path tokenizerFile() {
        return directory.resolve(Manifest.TOKENIZER_FILE);
    }

    /**
     * A tensor by its name in {@link PackLayout}; its data begins at a multiple of {@value PackLayout#ALIGNMENT} bytes. Waits
     * until it is read and verified.
     *
     * @throws ModelFormatException when the model has none of that name, or its weights are damaged
     */
    public TensorView tensor(String name) {
        return weights.take(name);
    }

    /**
     * Begins to give a tensor's bytes to a sink as they are read and verified, so that they need no memory of this process. What is
     * there already is given to it by {@link Sending#await}, and released.
     */
    public Sending send(String name, TensorSink sink) {
        return send(name, List.of(), sink);
    }

    /**
     * The same for a sink that needs other tensors, too: it may ask for them by {@link #tensor} while it is written to. As they are
     * read it is given bytes only if the others stand before them in the file.
     *
     * @param needed not to be released before the sending ends
     */
    public Sending send(String name, List<String> needed, TensorSink sink) {
        return weights.send(name, needed, sink);
    }

    /**
     * Frees a large tensor's memory, which nobody may look at any more; who asks for it again waits until it is read again. So a
     * model whose every matrix is converted and released takes little more memory than the converted ones.
     */
    public void release(String name) {
        weights.release(name);
    }

    /**
     * Waits until every byte of the pack is verified: nothing may be made of a model before.
     *
     * @throws ModelFormatException when one is not what it was when the model was packed
     */
    public void awaitVerified() {
        weights.awaitVerified();
    }

    @Override
    public void close() {
        weights.close();
    }

    private static void checkTensors(Path file, PackedWeights weights, Manifest manifest) {
        List<PackLayout.Stored> expected = manifest.tensors();
        Map<String, SafetensorsHeader.Entry> found =
                weights.entries().stream().collect(Collectors.toMap(SafetensorsHeader.Entry::name, entry -> entry));
        List<String> missing = new ArrayList<>();
        List<String> wrong = new ArrayList<>();
        for (PackLayout.Stored stored : expected) {
            SafetensorsHeader.Entry tensor = found.get(stored.name());
            if (tensor == null) {
                missing.add(stored.name());
            } else if (tensor.dtype() != stored.dtype() || !tensor.shape().equals(stored.shape())) {
                wrong.add(stored.name() + " (" + tensor.dtype() + " " + tensor.shape() + " instead of " + stored.dtype()
                        + " " + stored.shape() + ")");
            } else if (weights.begin(tensor) % PackLayout.ALIGNMENT != 0) {
                wrong.add(stored.name() + " (not aligned to " + PackLayout.ALIGNMENT + " bytes)");
            }
        }
        Set<String> names =
                expected.stream().map(PackLayout.Stored::name).collect(Collectors.toCollection(HashSet::new));
        List<String> unexpected = weights.entries().stream()
                .map(SafetensorsHeader.Entry::name)
                .filter(name -> !names.contains(name) && !name.startsWith(PackLayout.PAD_PREFIX))
                .toList();
        TensorProblems.check(file, missing, unexpected, wrong);
    }
}
