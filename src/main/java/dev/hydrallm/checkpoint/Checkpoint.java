package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A base model, with draft heads or without, as its directories hold it: what {@link Packer} packs. Opening it checks
 * names and counts; shapes are checked when it is packed.
 */
public final class Checkpoint implements AutoCloseable {
    private static final String HUB_MODEL = "models--";

    private final Path directory;
    private final Path base;
    private final HfConfig config;
    private final TensorSource baseSource;
    private final Optional<TensorSource> headsSource;
    private final Map<String, SourceTensor> baseTensors = new LinkedHashMap<>();
    private final Optional<DraftHeads> heads;

    private Checkpoint(Path directory, Path base, TensorSource baseSource, Optional<TensorSource> headsSource) {
        this.directory = directory;
        this.base = base;
        this.config = HfConfig.read(base);
        this.baseSource = baseSource;
        this.headsSource = headsSource;
        Map<String, SourceTensor> beside = new LinkedHashMap<>();
        baseSource.tensors().forEach((name, tensor) -> {
            boolean head = DraftHeads.BESIDE_A_BASE.matcher(name).matches();
            (head ? beside : baseTensors).put(name, tensor);
        });
        this.heads = headsSource
                .map(source -> DraftHeads.of(source.path(), source.tensors()))
                .or(() -> beside.isEmpty() ? Optional.empty() : Optional.of(DraftHeads.of(baseSource.path(), beside)));
    }

    /**
     * Opens a directory of draft heads, which name their base, or of a model.
     *
     * @param baseModel the base of draft heads instead of the one that their config.json names
     * @param warnings told where a configuration and the weights disagree
     * @throws ModelFormatException when a file is missing, broken or of an unsupported kind
     */
    public static Checkpoint open(Path directory, Optional<Path> baseModel, Consumer<String> warnings) {
        boolean draft = TensorSource.hasHeads(directory);
        requireUnpacked(directory);
        if (!draft && !TensorSource.hasModel(directory)) {
            throw new ModelFormatException(directory + ": no model here: it holds neither a packed model ("
                    + Manifest.FILE + ") nor weights that can be packed (model.safetensors, pytorch_model.bin,"
                    + " medusa_lm_head.pt …)");
        }
        if (!draft && baseModel.isPresent()) {
            throw new ModelFormatException(
                    directory + ": is a whole model; --base-model is for draft heads (medusa_lm_head.pt)");
        }
        Path base =
                draft ? baseModel.orElseGet(() -> HeadsConfig.read(directory).base(directory)) : directory;
        requireUnpacked(base);
        TensorSource baseSource = TensorSource.model(base);
        Optional<TensorSource> headsSource = Optional.empty();
        try {
            headsSource = draft ? Optional.of(TensorSource.heads(directory)) : Optional.empty();
            Checkpoint checkpoint = new Checkpoint(directory, base, baseSource, headsSource);
            checkpoint.warn(warnings);
            return checkpoint;
        } catch (RuntimeException e) {
            headsSource.ifPresent(TensorSource::close);
            baseSource.close();
            throw e;
        }
    }

    /** The base that draft heads name, where it is no directory beside them; empty for anything else. */
    public static Optional<String> missingBase(Path directory) {
        return TensorSource.hasHeads(directory) ? HeadsConfig.read(directory).missingBase(directory) : Optional.empty();
    }

    private static void requireUnpacked(Path directory) {
        if (PackedModel.isPack(directory)) {
            throw new ModelFormatException(directory + ": is packed already; only a checkpoint can be packed");
        }
    }

    private void warn(Consumer<String> warnings) {
        if (heads.isPresent() && Files.isRegularFile(directory.resolve("config.json"))) {
            HeadsConfig.read(directory)
                    .disagreements(heads.get().layout())
                    .forEach(line -> warnings.accept(directory + ": " + line));
        }
    }

    /** What a model packed from here is called. */
    String name() {
        return nameOf(directory);
    }

    HfConfig config() {
        return config;
    }

    DraftLayout layout() {
        return heads.map(DraftHeads::layout).orElse(DraftLayout.NONE);
    }

    /** The base's tensors by their names in a Llama checkpoint. */
    Map<String, SourceTensor> baseTensors() {
        return baseTensors;
    }

    /** The heads' tensors by their {@link DraftHeads.Names}; empty without heads. */
    Map<String, SourceTensor> headTensors() {
        return heads.map(DraftHeads::tensors).orElse(Map.of());
    }

    /** The file that a tensor's absence or shape is reported for. */
    Path weights() {
        return baseSource.path();
    }

    Path headWeights() {
        return headsSource.orElse(baseSource).path();
    }

    /** Where the weights come from, in words. */
    List<String> sources() {
        List<String> sources = new ArrayList<>();
        sources.add(nameOf(base) + "/" + baseSource.path().getFileName());
        headsSource.ifPresent(source -> sources.add(name() + "/" + source.path().getFileName()));
        return sources;
    }

    /** The folder's name; of a snapshot in a hub's cache, {@code models--ORG--NAME/snapshots/COMMIT}, ORG/NAME. */
    static String nameOf(Path directory) {
        Path path = directory.toAbsolutePath().normalize();
        int count = path.getNameCount();
        if (count >= 3 && path.getName(count - 2).toString().equals("snapshots")) {
            String repository = path.getName(count - 3).toString();
            if (repository.startsWith(HUB_MODEL)) {
                return repository.substring(HUB_MODEL.length()).replaceFirst("--", "/");
            }
        }
        return count == 0 ? "model" : path.getFileName().toString();
    }

    /** The tokenizer: the heads' own, else the base's. */
    Path tokenizer() {
        for (Path place : List.of(directory, base)) {
            Path file = place.resolve(Manifest.TOKENIZER_FILE);
            if (Files.isRegularFile(file)) {
                return file;
            }
        }
        throw new ModelFormatException(base.resolve(Manifest.TOKENIZER_FILE)
                + ": no such file; convert the model's tokenizer to a tokenizer.json first");
    }

    /** The Jinja template that comes with the tokenizer; {@code raw} without one. */
    String chatTemplate() {
        for (Path place : List.of(directory, base)) {
            Path jinja = place.resolve("chat_template.jinja");
            Path tokenizerConfig = place.resolve("tokenizer_config.json");
            if (Files.isRegularFile(jinja)) {
                try {
                    return Files.readString(jinja);
                } catch (IOException e) {
                    throw new ModelFormatException(jinja + ": cannot be read: " + e.getMessage(), e);
                }
            }
            if (Files.isRegularFile(tokenizerConfig)) {
                JsonNode template = JsonFiles.object(tokenizerConfig).path("chat_template");
                if (template.isTextual()) {
                    return template.textValue();
                }
                // A list of named templates: the one for plain chats.
                for (JsonNode named : template) {
                    if (named.path("name").asText().equals("default")
                            && named.path("template").isTextual()) {
                        return named.path("template").textValue();
                    }
                }
            }
        }
        return "raw";
    }

    @Override
    public void close() {
        headsSource.ifPresent(TensorSource::close);
        baseSource.close();
    }
}
