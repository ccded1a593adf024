package dev.hydrallm.checkpoint;

import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Writes a folder of draft heads that {@link Checkpoint} and others read: {@code medusa_lm_head.safetensors} under the names of
 * a model with heads beside its base, {@code config.json}, and on request {@code medusa_lm_head.pt} under Hydra's flat names.
 * Each file takes its name in one move when it is whole.
 */
public final class HeadsFolder {
    private static final Pattern PREFIX = Pattern.compile("medusa_(?:head|rms_norm|decoder_layers)\\.(.+)");
    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    private final Path folder;

    /** A folder that exists, or will when something is written. */
    public HeadsFolder(Path folder) {
        this.folder = folder;
    }

    /**
     * Writes the tensors as safetensors.
     *
     * @param entries all of the heads' and forked layers' tensors under the names of {@code DraftHeads.Names}
     */
    public void writeSafetensors(List<TensorWriter.Entry> entries, TensorWriter.Values values) throws IOException {
        whole("medusa_lm_head.safetensors", file -> TensorWriter.safetensors(file, entries, values));
    }

    /**
     * Refuses heads for {@link #writeTorch} that the loaders of such files would take for others.
     *
     * @throws IllegalArgumentException if they have a part that Hydra's have not
     */
    public static void checkTorch(DraftLayout layout) {
        if (layout.has(DraftPart.NEXT_TOKEN)) {
            throw new IllegalArgumentException(
                    "programs that read medusa_lm_head.pt have no place for what reads the next token: leave out --export-pt");
        }
    }

    /** Writes the same as {@code torch.save} does. */
    public void writeTorch(List<TensorWriter.Entry> entries, TensorWriter.Values values) throws IOException {
        Map<String, TensorWriter.Entry> byFlatName = new LinkedHashMap<>();
        entries.forEach(entry -> byFlatName.put(flat(entry.name()), entry));
        List<TensorWriter.Entry> flat = byFlatName.entrySet().stream()
                .map(each -> new TensorWriter.Entry(
                        each.getKey(), each.getValue().dtype(), each.getValue().shape()))
                .toList();
        whole(
                "medusa_lm_head.pt",
                file -> TorchWriter.write(
                        file,
                        "medusa_lm_head",
                        flat,
                        (entry, into) -> values.read(byFlatName.getOrDefault(entry.name(), entry), into)));
    }

    /**
     * Writes the configuration.
     *
     * @param base the base's name on a hub, or its path
     * @param facts what else there is to say, by name
     */
    public void writeConfig(DraftLayout layout, String base, Map<String, ?> facts) throws IOException {
        Map<String, Object> config = new LinkedHashMap<>();
        config.put("medusa_num_heads", layout.heads());
        config.put("medusa_num_layers", layout.residualLayers());
        config.put("medusa_num_decoder_layers", layout.forkedLayers());
        if (layout.has(DraftPart.NEXT_TOKEN)) {
            config.put("medusa_next_token", true);
        }
        config.put("base_model_name_or_path", base);
        config.putAll(facts);
        byte[] json = JSON.writeValueAsBytes(config);
        whole("config.json", file -> Files.write(file, json));
    }

    /** The name in Hydra's flat file: without what says which of the three parts it is of. */
    private static String flat(String name) {
        Matcher prefixed = PREFIX.matcher(name);
        if (!prefixed.matches()) {
            throw new IllegalArgumentException(name + " is no tensor of draft heads");
        }
        return prefixed.group(1);
    }

    /** What writes a file. */
    private interface Content {
        void write(Path file) throws IOException;
    }

    private void whole(String name, Content content) throws IOException {
        Files.createDirectories(folder);
        Path unfinished = folder.resolve(name + ".unfinished");
        Files.deleteIfExists(unfinished);
        try {
            content.write(unfinished);
            try (FileChannel channel = FileChannel.open(unfinished, StandardOpenOption.WRITE)) {
                channel.force(true);
            }
            Files.move(unfinished, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(unfinished);
        }
    }
}
