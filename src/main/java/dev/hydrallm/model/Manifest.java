package dev.hydrallm.model;

import com.fasterxml.jackson.annotation.JsonIgnore;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.natives.Sha256;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
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
 * @param files the digest of every other file of the pack
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
        Map<String, FileDigest> files) {

    /** The manifest's own file name. */
    public static final String FILE = "hydra.json";

    public static final String WEIGHTS_FILE = "weights.safetensors";
    public static final String TOKENIZER_FILE = "tokenizer.json";
    public static final int FORMAT_VERSION = 2;

    private static final String OWN_DIGEST = "sha256";
    private static final String NO_DIGEST = "0".repeat(64);
    private static final long LONGEST_FILE = 16 << 20;

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

    /** The digest of one of the pack's other files. */
    FileDigest digest(String file) {
        return Objects.requireNonNull(files.get(file), file);
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
     *     missing or ill-typed property, contradicts itself, or is not what was written
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
            byte[] bytes = Files.readAllBytes(file);
            JsonNode json = Json.MAPPER.readTree(bytes);
            JsonNode version = json.path("format_version");
            if (!version.isInt() || version.intValue() != FORMAT_VERSION) {
                throw new ModelFormatException(file + ": pack format version " + version.toString()
                        + ", this program reads " + FORMAT_VERSION + ": pack the model again");
            }
            checkOwnDigest(file, bytes, (ObjectNode) json);
            nameWhatIsAbsent(json.path("architecture"), json.path("draft"));
            return Json.MAPPER.treeToValue(json, Manifest.class);
        } catch (IOException e) {
            throw new ModelFormatException(file + ": " + Json.reason(e), e);
        }
    }

    /** Packs say nothing of what their model does without; every property has to be there to be read. */
    private static void nameWhatIsAbsent(JsonNode architecture, JsonNode draft) {
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
        if (draft instanceof ObjectNode layout && !layout.has("parts")) {
            layout.putArray("parts");
        }
    }

    /**
     * The manifest's own digest is that of its bytes with zeros in the digest's place.
     *
     * @param json loses the digest, which is no property of the record
     */
    private static void checkOwnDigest(Path file, byte[] bytes, ObjectNode json) {
        String said = json.path(OWN_DIGEST).asText();
        json.remove(OWN_DIGEST);
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        int at = text.indexOf(said);
        if (said.length() != NO_DIGEST.length() || at < 0) {
            throw new ModelFormatException(file + ": it has no " + OWN_DIGEST + " of its own: pack the model again");
        }
        String found = sha256(text.substring(0, at) + NO_DIGEST + text.substring(at + said.length()));
        if (!found.equals(said)) {
            throw new ModelFormatException(file + ": its SHA-256 is " + found + ", it says " + said
                    + ": the file is damaged or altered, pack the model again");
        }
    }

    private static String sha256(String latin1) {
        return HexFormat.of().formatHex(Sha256.ofJava().digest(latin1.getBytes(StandardCharsets.ISO_8859_1)));
    }

    /**
     * The same with another draft tree.
     *
     * @throws IllegalArgumentException if the tree is out of its bounds, or deeper than the model has heads
     */
    public Manifest withTree(List<List<Integer>> other) {
        int depth = other.stream().mapToInt(List::size).max().orElse(0);
        if (depth > draft.heads()) {
            throw new IllegalArgumentException(
                    "a tree of depth " + depth + " for a model of " + draft.heads() + " draft heads");
        }
        return new Manifest(
                formatVersion,
                name,
                architecture,
                draft,
                quantization,
                other,
                chatTemplate,
                bosId,
                eosIds,
                sources,
                files);
    }

    /** Puts the manifest in the place of a pack's own, at once: whoever opens the pack meanwhile finds the one or the other. */
    public void replace(Path directory) throws IOException {
        Path beside = Files.createTempDirectory(directory, ".replacing-");
        try {
            write(beside);
            try (FileChannel written = FileChannel.open(beside.resolve(FILE), StandardOpenOption.WRITE)) {
                written.force(true);
            }
            Files.move(beside.resolve(FILE), directory.resolve(FILE), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(beside.resolve(FILE));
            Files.delete(beside);
        }
    }

    /** Writes the manifest into a pack's directory. */
    public void write(Path directory) throws IOException {
        ObjectNode json = Json.MAPPER.valueToTree(this);
        json.put(OWN_DIGEST, NO_DIGEST);
        byte[] bytes = Json.MAPPER.writerWithDefaultPrettyPrinter().writeValueAsBytes(json);
        Files.writeString(
                directory.resolve(FILE),
                signed(new String(bytes, StandardCharsets.ISO_8859_1)),
                StandardCharsets.ISO_8859_1);
    }

    /** A manifest's bytes, one a character, with their digest in the place of the last zeros. */
    static String signed(String manifest) {
        int at = manifest.lastIndexOf(NO_DIGEST);
        return manifest.substring(0, at) + sha256(manifest) + manifest.substring(at + NO_DIGEST.length());
    }
}
