package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What {@code hydra.json} says about a packed model.
 *
 * @param formatVersion always {@value #FORMAT_VERSION}
 * @param name the model's name, as an API shows it
 * @param quantization the format of every tensor group that the model has
 * @param tree the model's own draft tree; null leaves the choice to {@link NamedTrees#defaultFor}
 * @param chatTemplate {@code raw}, {@code vicuna_v1.1} or the text of a Jinja template
 * @param bosId the token that begins a text; null when there is none
 * @param eosIds the tokens that end one
 * @param sources where the weights came from, for people
 * @param files the SHA-256, in lower-case hexadecimal, of every other file of the pack
 */
public record Manifest(
        int formatVersion,
        String name,
        Architecture architecture,
        DraftLayout draft,
        Map<TensorGroup, WeightFormat> quantization,
        @Nullable List<List<Integer>> tree,
        String chatTemplate,
        @Nullable Integer bosId,
        List<Integer> eosIds,
        List<String> sources,
        Map<String, String> files) {

    /** The manifest's own file name. */
    public static final String FILE = "hydra.json";

    public static final String WEIGHTS_FILE = "weights.safetensors";
    public static final String TOKENIZER_FILE = "tokenizer.json";
    public static final int FORMAT_VERSION = 1;

    private static final long LONGEST_FILE = 4 << 20;

    /** @throws IllegalArgumentException naming what does not fit together */
    public Manifest {
        if (formatVersion != FORMAT_VERSION) {
            throw new IllegalArgumentException("format version " + formatVersion + " instead of " + FORMAT_VERSION);
        }
        if (draft.forkedLayers() > architecture.layers()) {
            throw new IllegalArgumentException(
                    draft.forkedLayers() + " forked layers of a model of " + architecture.layers());
        }
        Set<TensorGroup> groups = PackLayout.groups(architecture, draft);
        if (!quantization.keySet().equals(groups)) {
            throw new IllegalArgumentException(
                    "quantization is given for " + quantization.keySet() + ", the model has " + groups);
        }
        for (PackLayout.Part part : PackLayout.parts(architecture, draft)) {
            PackLayout.stored(part, quantization); // a format that does not fit the shapes is found here
        }
        if (!files.keySet().equals(Set.of(WEIGHTS_FILE, TOKENIZER_FILE))) {
            throw new IllegalArgumentException(
                    "files are " + files.keySet() + " instead of " + WEIGHTS_FILE + " and " + TOKENIZER_FILE);
        }
        if (bosId != null) {
            Architecture.within("bos_id", bosId, 0, architecture.vocabSize() - 1);
        }
        eosIds.forEach(id -> Architecture.within("eos_ids", id, 0, architecture.vocabSize() - 1));
        quantization = Collections.unmodifiableMap(new TreeMap<>(quantization));
        tree = tree == null ? null : NamedTrees.validated(tree);
        eosIds = List.copyOf(eosIds);
        sources = List.copyOf(sources);
        files = Collections.unmodifiableMap(new TreeMap<>(files));
    }

    /** The tensors of the pack in load order, fillers left out. */
    @JsonIgnore
    public List<PackLayout.Stored> tensors() {
        return PackLayout.parts(architecture, draft).stream()
                .flatMap(part -> PackLayout.stored(part, quantization).stream())
                .toList();
    }

    /**
     * Reads the manifest of a pack.
     *
     * @throws ModelFormatException when the file is missing, too long, of another format version, has an unknown,
     *     missing or ill-typed property, or contradicts itself
     */
    public static Manifest read(Path directory) {
        Path file = directory.resolve(FILE);
        try {
            if (!Files.isRegularFile(file)) {
                throw new ModelFormatException(file + ": no such file, so this is no packed model");
            }
            if (Files.size(file) > LONGEST_FILE) {
                throw new ModelFormatException(file + ": longer than " + LONGEST_FILE + " bytes");
            }
            JsonNode json = Json.MAPPER.readTree(Files.readAllBytes(file));
            JsonNode version = json.path("format_version");
            if (!version.isInt() || version.intValue() != FORMAT_VERSION) {
                throw new ModelFormatException(file + ": pack format version " + version.toString()
                        + ", this program reads " + FORMAT_VERSION + ": pack the model again");
            }
            nameWhatIsAbsent(json.path("architecture"));
            return Json.MAPPER.treeToValue(json, Manifest.class);
        } catch (IOException e) {
            throw new ModelFormatException(file + ": " + Json.reason(e), e);
        }
    }

    /** Packs say nothing of what their model does without; every property has to be there to be read. */
    private static void nameWhatIsAbsent(JsonNode architecture) {
        if (architecture instanceof ObjectNode shape) {
            if (!shape.has("attention_parts")) {
                shape.putArray("attention_parts");
            }
            for (String part : List.of("sliding_window", "rope_scaling")) {
                if (!shape.has(part)) {
                    shape.putNull(part);
                }
            }
        }
    }

    /** Writes the manifest into a pack's directory. */
    public void write(Path directory) throws IOException {
        byte[] json = Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(this);
        Files.write(directory.resolve(FILE), json);
    }
}
