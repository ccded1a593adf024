package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.SafetensorsFile;
import dev.hydrallm.model.TensorProblems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** All tensors of a checkpoint by name, from one file or from shards. Stays mapped until closed. */
final class TensorSource implements AutoCloseable {
    /** Weights files by preference: one that runs no code in anybody's hands first. */
    private static final List<String> MODEL_FILES = List.of(
            "model.safetensors",
            "model.safetensors.index.json",
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "pytorch_model.pt");

    private static final Pattern SHARD = Pattern.compile("\\w[\\w.-]*");

    private static final List<String> HEAD_FILES = List.of("medusa_lm_head.safetensors", "medusa_lm_head.pt");

    private final Path path;
    private final List<Runnable> closers = new ArrayList<>();
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
            if (!entry.getValue().isTextual() || !SHARD.matcher(shard).matches()) {
                throw new ModelFormatException(index + ": " + entry.getValue() + " is no file name");
            }
            shardOf.put(entry.getKey(), shard);
        });
        for (String shard : new LinkedHashSet<>(shardOf.values())) {
            Path file = index.resolveSibling(shard);
            Set<String> found = new HashSet<>();
            for (SourceTensor tensor : add(file)) {
                found.add(tensor.name());
            }
            List<String> missing = new ArrayList<>();
            shardOf.forEach((name, in) -> {
                if (in.equals(shard) && !found.remove(name)) {
                    missing.add(name);
                }
            });
            TensorProblems.check(file, missing, List.copyOf(new TreeSet<>(found)), List.of());
        }
    }

    private Collection<SourceTensor> add(Path file) {
        Collection<SourceTensor> added = read(file);
        for (SourceTensor tensor : added) {
            if (tensors.put(tensor.name(), tensor) != null) {
                throw new ModelFormatException(file + ": tensor " + tensor.name() + " stands in two shards");
            }
        }
        return added;
    }

    private Collection<SourceTensor> read(Path file) {
        if (file.toString().endsWith(".safetensors")) {
            SafetensorsFile safetensors = SafetensorsFile.open(file);
            closers.add(safetensors::close);
            return safetensors.tensors().stream()
                    .<SourceTensor>map(StridedTensor::of)
                    .toList();
        }
        TorchFile torch = TorchFile.open(file);
        closers.add(torch::close);
        return torch.tensors().values();
    }

    /** What was opened: a file, or an index. */
    Path path() {
        return path;
    }

    Map<String, SourceTensor> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    @Override
    public void close() {
        closers.forEach(Runnable::run);
    }
}
