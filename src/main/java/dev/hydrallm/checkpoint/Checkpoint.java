package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.hydrallm.model.Architecture;
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
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A base model, with draft heads or without, as its directories hold it: what {@link Packer} packs. Opening it checks
 * names and counts; shapes are checked when it is packed.
 */
public final class Checkpoint implements AutoCloseable {
    private static final String HUB_MODEL = "models--";
    private static final String CHAT_TEMPLATE = "chat_template.jinja";
    private static final String TOKENIZER_CONFIG = "tokenizer_config.json";
    private static final List<String> BESIDE_A_FILE = List.of(Manifest.TOKENIZER_FILE, CHAT_TEMPLATE, TOKENIZER_CONFIG);

    private final Path directory;
    private final BaseModel base;
    private final Optional<TensorSource> headsSource;
    private final Map<String, SourceTensor> baseTensors = new LinkedHashMap<>();
    private final Optional<DraftHeads> heads;

    private Checkpoint(Path directory, BaseModel base, Optional<TensorSource> headsSource) {
        this.directory = directory;
        this.base = base;
        this.headsSource = headsSource;
        Map<String, SourceTensor> beside = new LinkedHashMap<>();
        base.tensors().forEach((name, tensor) -> {
            boolean head = DraftHeads.BESIDE_A_BASE.matcher(name).matches();
            (head ? beside : baseTensors).put(name, tensor);
        });
        this.heads = headsSource
                .map(source -> DraftHeads.of(source.path(), source.tensors()))
                .or(() -> beside.isEmpty() ? Optional.empty() : Optional.of(DraftHeads.of(base.weights(), beside)));
    }

    /**
     * Opens a directory of draft heads, which name their base, or a model: a directory or a GGUF file.
     *
     * @param baseModel the base of draft heads instead of the one that their config.json names
     * @param warnings told where a configuration and the weights disagree
     * @throws ModelFormatException when a file is missing, broken or of an unsupported kind
     */
    public static Checkpoint open(Path path, Optional<Path> baseModel, Consumer<String> warnings) {
        boolean draft = TensorSource.hasHeads(path);
        requireUnpacked(path);
        if (!draft && !TensorSource.hasModel(path) && !Files.isRegularFile(path)) {
            throw new ModelFormatException(path + ": no model here: it holds neither a packed model ("
                    + Manifest.FILE + ") nor weights that can be packed (model.safetensors, pytorch_model.bin,"
                    + " medusa_lm_head.pt …)");
        }
        if (!draft && baseModel.isPresent()) {
            throw new ModelFormatException(
                    path + ": is a whole model; --base-model is for draft heads (medusa_lm_head.pt)");
        }
        Path basePath = draft ? baseModel.orElseGet(() -> HeadsConfig.read(path).base(path)) : path;
        requireUnpacked(basePath);
        BaseModel base = BaseModel.open(basePath);
        Optional<TensorSource> headsSource = Optional.empty();
        try {
            headsSource = draft ? Optional.of(TensorSource.heads(path)) : Optional.empty();
            Checkpoint checkpoint = new Checkpoint(draft ? path : base.directory(), base, headsSource);
            checkpoint.warn(warnings);
            return checkpoint;
        } catch (RuntimeException e) {
            headsSource.ifPresent(TensorSource::close);
            base.close();
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

    /**
     * The files that a model at a path may be read from, in one order: all of a directory; a GGUF file and those of a
     * tokenizer beside it.
     */
    static List<Path> filesOf(Path source) throws IOException {
        Path folder = source.toAbsolutePath();
        if (!Files.isRegularFile(source)) {
            try (Stream<Path> files = Files.list(folder)) {
                return files.filter(Files::isRegularFile).sorted().toList();
            }
        }
        return Stream.concat(Stream.of(folder), BESIDE_A_FILE.stream().map(folder::resolveSibling))
                .filter(Files::isRegularFile)
                .toList();
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
        return headsSource.isPresent() ? nameOf(directory) : base.name();
    }

    HfConfig config() {
        return base.config();
    }

    /** The base's shape. */
    public Architecture architecture() {
        return config().architecture();
    }

    /** The token that begins a text; null when there is none. */
    public @Nullable Integer bosId() {
        return config().bosId();
    }

    /** The tokens that end a text. */
    public List<Integer> eosIds() {
        return config().eosIds();
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
        return base.weights();
    }

    Path headWeights() {
        return headsSource.map(TensorSource::path).orElseGet(base::weights);
    }

    /** Where the weights come from, in words. */
    List<String> sources() {
        List<String> sources = new ArrayList<>();
        sources.add(nameOf(base.directory()) + "/" + base.weights().getFileName());
        headsSource.ifPresent(
                source -> sources.add(nameOf(directory) + "/" + source.path().getFileName()));
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

    /** The {@code tokenizer.json}: the heads' own, else the one beside the base's weights, else made of what is in them. */
    public byte[] tokenizer() {
        for (Path place : List.of(directory, base.directory())) {
            Path file = place.resolve(Manifest.TOKENIZER_FILE);
            if (Files.isRegularFile(file)) {
                try {
                    return Files.readAllBytes(file);
                } catch (IOException e) {
                    throw new ModelFormatException(file + ": cannot be read: " + e.getMessage(), e);
                }
            }
        }
        return base.embeddedTokenizer()
                .orElseThrow(() -> new ModelFormatException(base.directory().resolve(Manifest.TOKENIZER_FILE)
                        + ": no such file; convert the model's tokenizer to a tokenizer.json first"));
    }

    /** The Jinja template that comes with the tokenizer; {@code raw} without one. */
    public String chatTemplate() {
        for (Path place : List.of(directory, base.directory())) {
            Path jinja = place.resolve(CHAT_TEMPLATE);
            Path tokenizerConfig = place.resolve(TOKENIZER_CONFIG);
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
        return base.embeddedChatTemplate().orElse("raw");
    }

    @Override
    public void close() {
        headsSource.ifPresent(TensorSource::close);
        base.close();
    }
}
