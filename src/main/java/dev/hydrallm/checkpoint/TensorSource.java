package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** All tensors of a checkpoint by name, from one file or from shards. Stays mapped until closed. */
final class TensorSource implements AutoCloseable {
    /** Weights files by preference: one that runs no code in anybody's hands first. */
    private static final List<String> MODEL_FILES = List.of(
            "model.safetensors",
            "model.safetensors.index.json",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "pytorch_model.pt");

    private static final List<String> HEAD_FILES = List.of("medusa_lm_head.safetensors", "medusa_lm_head.pt");

    private final Path path;
    private final List<Path> files = new ArrayList<>();
    private final List<AutoCloseable> opened = new ArrayList<>();
    private final Map<String, SourceTensor> tensors = new LinkedHashMap<>();

    private TensorSource(Path path) {
        this.path = path;
    }

    /** Whether a directory holds a model's weights, as opposed to draft heads alone. */
    static boolean hasModel(Path directory) {
        return MODEL_FILES.stream().anyMatch(name -> Files.isRegularFile(directory.resolve(name)));
    }

    static boolean hasHeads(Path directory) {
        return HEAD_FILES.stream().anyMatch(name -> Files.isRegularFile(directory.resolve(name)));
    }

    /** Opens the weights of a model. */
    static TensorSource model(Path directory) {
        return first(directory, MODEL_FILES);
    }

    /** Opens the file of draft heads. */
    static TensorSource heads(Path directory) {
        return first(directory, HEAD_FILES);
    }

    private static TensorSource first(Path directory, List<String> names) {
        for (String name : names) {
            if (Files.isRegularFile(directory.resolve(name))) {
                return open(directory.resolve(name));
            }
        }
        throw new ModelFormatException(directory + ": no weights found; looked for " + String.join(", ", names));
    }

    /**
     * Opens a safetensors file, a torch zip file, or the index of several of either.
     *
     * @throws ModelFormatException when a file is missing or broken, or the index and the shards disagree
     */
    static TensorSource open(Path file) {
        TensorSource source = new TensorSource(file);
        try {
            if (file.toString().endsWith(".index.json")) {
                source.addShards(file);
            } else {
                source.add(file);
            }
            return source;
        } catch (RuntimeException e) {
            source.close();
            throw e;
        }
    }

    private void addShards(Path index) {
        JsonNode weightMap = JsonFiles.object(index).path("weight_map");
        if (!weightMap.isObject() || weightMap.isEmpty()) {
            throw new ModelFormatException(index + ": no weight_map");
        }
        Map<String, String> shardOf = new LinkedHashMap<>();
        weightMap.properties().forEach(entry -> {
            String shard = entry.getValue().asText("");
            // A name with a path in it could lead anywhere.
            if (!entry.getValue().isTextual() || !shard.equals(Path.of(shard).getFileName() + "")) {
                throw new ModelFormatException(index + ": " + entry.getValue() + " is no file name");
            }
            shardOf.put(entry.getKey(), shard);
        });
        for (String shard : new LinkedHashSet<>(shardOf.values())) {
            Set<String> before = Set.copyOf(tensors.keySet());
            add(index.resolveSibling(shard));
            Set<String> expected = new TreeSet<>();
            shardOf.forEach((name, in) -> {
                if (in.equals(shard)) {
                    expected.add(name);
                }
            });
            Set<String> found = new TreeSet<>(tensors.keySet());
            found.removeAll(before);
            if (!found.equals(expected)) {
                Set<String> differing = new TreeSet<>(found);
                differing.addAll(expected);
                differing.removeIf(name -> found.contains(name) && expected.contains(name));
                throw new ModelFormatException(index.resolveSibling(shard) + ": does not hold what " + path
                        + " says; differing: " + ModelFormatException.list(differing));
            }
        }
    }

    private void add(Path file) {
        files.add(file);
        if (file.toString().endsWith(".safetensors")) {
            SafetensorsFile safetensors = SafetensorsFile.open(file);
            opened.add(safetensors);
            safetensors.tensors().forEach(view -> put(file, SourceTensor.of(view)));
        } else {
            TorchFile torch = TorchFile.open(file);
            opened.add(torch);
            torch.tensors().forEach((name, tensor) -> put(file, tensor));
        }
    }

    private void put(Path file, SourceTensor tensor) {
        if (tensors.put(tensor.name(), tensor) != null) {
            throw new ModelFormatException(file + ": tensor " + tensor.name() + " stands in two shards");
        }
    }

    /** What was opened: a file, or an index. */
    Path path() {
        return path;
    }

    /** The files that hold the tensors. */
    List<Path> files() {
        return List.copyOf(files);
    }

    Map<String, SourceTensor> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    @Override
    public void close() {
        for (AutoCloseable file : opened) {
            try {
                file.close();
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
