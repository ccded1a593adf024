package dev.hydrallm.model;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * An open packed model: every file matches its SHA-256, and the weights hold exactly the tensors that the manifest
 * calls for.
 *
 * <p>Thread-safe. After {@link #close} the tensors' memory can no longer be read.
 */
public final class PackedModel implements AutoCloseable {
    private final Path directory;
    private final Manifest manifest;
    private final SafetensorsFile weights;

    private PackedModel(Path directory, Manifest manifest, SafetensorsFile weights) {
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
        Manifest manifest = Manifest.read(directory);
        Path tokenizer = directory.resolve(Manifest.TOKENIZER_FILE);
        try {
            checkDigest(tokenizer, Sha256.of(MemorySegment.ofArray(Files.readAllBytes(tokenizer))), manifest);
        } catch (IOException e) {
            throw new ModelFormatException(tokenizer + ": cannot be read: " + e.getMessage(), e);
        }
        SafetensorsFile weights = SafetensorsFile.open(directory.resolve(Manifest.WEIGHTS_FILE));
        try {
            checkDigest(weights.path(), Sha256.of(weights.bytes()), manifest);
            checkTensors(weights, manifest);
            return new PackedModel(directory, manifest, weights);
        } catch (RuntimeException e) {
            weights.close();
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
     * A tensor by its name in {@link PackLayout}; its data begins at a multiple of {@value PackLayout#ALIGNMENT} bytes.
     *
     * @throws ModelFormatException when the model has none of that name
     */
    public TensorView tensor(String name) {
        return weights.tensor(name);
    }

    @Override
    public void close() {
        weights.close();
    }

    private static void checkDigest(Path file, String found, Manifest manifest) {
        String expected = manifest.files().get(file.getFileName().toString());
        if (!found.equals(expected)) {
            throw new ModelFormatException(file + ": SHA-256 is " + found + ", the manifest says " + expected
                    + ": the file is damaged or altered, pack the model again");
        }
    }

    private static void checkTensors(SafetensorsFile weights, Manifest manifest) {
        List<PackLayout.Stored> expected = manifest.tensors();
        Map<String, TensorView> found =
                weights.tensors().stream().collect(Collectors.toMap(TensorView::name, tensor -> tensor));
        List<String> missing = new ArrayList<>();
        List<String> wrong = new ArrayList<>();
        for (PackLayout.Stored stored : expected) {
            TensorView tensor = found.get(stored.name());
            if (tensor == null) {
                missing.add(stored.name());
            } else if (tensor.dtype() != stored.dtype() || !tensor.shape().equals(stored.shape())) {
                wrong.add(stored.name() + " (" + tensor.dtype() + " " + tensor.shape() + " instead of " + stored.dtype()
                        + " " + stored.shape() + ")");
            } else if (tensor.data().address() % PackLayout.ALIGNMENT != 0) {
                wrong.add(stored.name() + " (not aligned to " + PackLayout.ALIGNMENT + " bytes)");
            }
        }
        Set<String> names =
                expected.stream().map(PackLayout.Stored::name).collect(Collectors.toCollection(HashSet::new));
        List<String> unexpected = weights.names().stream()
                .filter(name -> !names.contains(name) && !name.startsWith(PackLayout.PAD_PREFIX))
                .toList();
        TensorProblems.check(weights.path(), missing, unexpected, wrong);
    }
}
