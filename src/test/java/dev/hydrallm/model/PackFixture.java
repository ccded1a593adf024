package dev.hydrallm.model;

import dev.hydrallm.testing.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Writes tiny packs of zeros, whole or with something wrong about them. */
final class PackFixture {
    static final Architecture ARCHITECTURE = new Architecture(8, 4, 6, 2, 2, 1, 2, 1e-5, 10_000, 32, true);
    static final DraftLayout DRAFT = new DraftLayout(2, 1, 1, false);
    static final Map<TensorGroup, WeightFormat> FORMATS = Map.of(
            TensorGroup.EMBEDDING, WeightFormat.INT8,
            TensorGroup.LAYERS, WeightFormat.F16,
            TensorGroup.FORKED_LAYERS, WeightFormat.F32,
            TensorGroup.HEADS, WeightFormat.INT8);

    /** Digests of empty files. */
    static final Map<String, FileDigest> NO_FILES = Map.of(
            Manifest.WEIGHTS_FILE, FileDigest.of(new byte[0]), Manifest.TOKENIZER_FILE, FileDigest.of(new byte[0]));

    /** Tells the fixture's header apart by a length that brings the first tensor to the alignment. */
    private static final int HEADER_LENGTH = 2 * PackLayout.ALIGNMENT - Long.BYTES;

    private PackFixture() {}

    static Manifest manifest(Map<String, FileDigest> files) {
        return new Manifest(
                Manifest.FORMAT_VERSION,
                "tiny",
                ARCHITECTURE,
                DRAFT,
                FORMATS,
                List.of(List.of(0)),
                "raw",
                1,
                List.of(2),
                List.of("a test"),
                files);
    }

    static List<PackLayout.Stored> tensors() {
        return manifest(NO_FILES).tensors();
    }

    /** A pack whose stored tensors went through a change. */
    static Path write(Path directory, UnaryOperator<List<PackLayout.Stored>> change) throws IOException {
        Files.createDirectories(directory);
        List<String> entries = new ArrayList<>();
        int end = 0;
        for (PackLayout.Stored tensor : change.apply(new ArrayList<>(tensors()))) {
            int size = (int) TensorView.byteSize(tensor.dtype(), tensor.shape());
            int pad = Math.floorMod(-size, PackLayout.ALIGNMENT);
            entries.add('"' + tensor.name() + "\":"
                    + Safetensors.entry(tensor.dtype().name(), tensor.shape(), end, end + size));
            entries.add("\"pad." + entries.size() + "\":"
                    + Safetensors.entry("U8", List.of((long) pad), end + size, end + size + pad));
            end += size + pad;
        }
        String header = "{" + String.join(",", entries) + "}";
        Path weights = Safetensors.write(
                directory.resolve(Manifest.WEIGHTS_FILE),
                header + " ".repeat(HEADER_LENGTH - header.length()),
                new byte[end]);
        Path tokenizer = Files.writeString(directory.resolve(Manifest.TOKENIZER_FILE), "{}");
        manifest(Map.of(Manifest.WEIGHTS_FILE, digest(weights), Manifest.TOKENIZER_FILE, digest(tokenizer)))
                .write(directory);
        return directory;
    }

    private static FileDigest digest(Path file) throws IOException {
        return FileDigest.of(Files.readAllBytes(file));
    }
}
