package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipFile;

/**
 * A file that {@code torch.save} wrote since PyTorch 1.6: a zip of uncompressed entries, {@code NAME/data.pkl} beside the
 * raw storages {@code NAME/data/KEY}. The pickle is interpreted by an {@link Unpickler}, which runs no code; every
 * tensor lies within its storage and every storage within the mapped file.
 *
 * <p>After {@link #close} the tensors' memory can no longer be read.
 */
final class TorchFile implements AutoCloseable {
    private static final int LONGEST_PICKLE = 32 << 20;

    private final Path path;
    private final Arena arena;
    private final Map<String, SourceTensor> tensors = new LinkedHashMap<>();

    private TorchFile(Path path, Arena arena) {
        this.path = path;
        this.arena = arena;
    }

    /**
     * Maps a file and reads what it holds.
     *
     * @throws ModelFormatException when it is missing, broken, of another kind, or its pickle asks for anything that is
     *     not on the allow-list
     */
    @SuppressWarnings("MustBeClosedChecker") // the opened file owns the arena and closes it
    static TorchFile open(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new ModelFormatException(path + ": no such file");
        }
        Arena arena = Arena.ofShared();
        TorchFile file = new TorchFile(path, arena);
        try {
            file.read();
            return file;
        } catch (ModelFormatException e) {
            arena.close();
            throw e;
        } catch (IOException | RuntimeException e) {
            // The zip library answers some broken directories with unchecked exceptions.
            arena.close();
            throw new ModelFormatException(path + ": no readable torch file: " + e.getMessage(), e);
        }
    }

    /** The tensors by their dotted names. */
    Map<String, SourceTensor> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    @Override
    public void close() {
        arena.close();
    }

    private void read() throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
                ZipFile zip = ZipFile.builder().setPath(path).get()) {
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            Map<String, ZipArchiveEntry> entries = entries(zip);
            String prefix = prefix(entries);
            ZipArchiveEntry order = entries.get(prefix + "byteorder");
            if (order != null && !text(zip, order).equals("little")) {
                throw new ModelFormatException(path + ": byte order \"" + text(zip, order) + "\"; only little is read");
            }
            byte[] pickle = bytes(zip, entry(entries, prefix + "data.pkl"));
            Object value = new Unpickler(path.toString(), pickle).load();
            StateDict.tensors(path.toString(), value)
                    .forEach((name, tensor) -> tensors.put(name, tensor(name, tensor, entries, prefix, bytes)));
        }
    }

    private Map<String, ZipArchiveEntry> entries(ZipFile zip) {
        Map<String, ZipArchiveEntry> entries = new HashMap<>();
        for (ZipArchiveEntry entry : Collections.list(zip.getEntries())) {
            if (entries.put(entry.getName(), entry) != null) {
                throw new ModelFormatException(path + ": entry " + entry.getName() + " stands twice");
            }
        }
        return entries;
    }

    private String prefix(Map<String, ZipArchiveEntry> entries) {
        List<String> pickles = entries.keySet().stream()
                .filter(name -> name.endsWith("/data.pkl") && name.indexOf('/') == name.lastIndexOf('/'))
                .toList();
        if (pickles.size() != 1) {
            throw new ModelFormatException(path + ": no torch file: it should hold one NAME/data.pkl, and holds "
                    + pickles.size() + (entries.containsKey("data.pkl") ? " (and a data.pkl outside a folder)" : ""));
        }
        return pickles.getFirst().substring(0, pickles.getFirst().indexOf('/') + 1);
    }

    private ZipArchiveEntry entry(Map<String, ZipArchiveEntry> entries, String name) {
        ZipArchiveEntry entry = entries.get(name);
        if (entry == null) {
            throw new ModelFormatException(path + ": entry " + name + " is missing");
        }
        return entry;
    }

    private String text(ZipFile zip, ZipArchiveEntry entry) throws IOException {
        return new String(bytes(zip, entry), StandardCharsets.UTF_8).strip();
    }

    private byte[] bytes(ZipFile zip, ZipArchiveEntry entry) throws IOException {
        if (entry.getSize() > LONGEST_PICKLE) {
            throw new ModelFormatException(path + ": entry " + entry.getName() + " has " + entry.getSize()
                    + " bytes; at most " + LONGEST_PICKLE + " are read");
        }
        try (InputStream in = zip.getInputStream(entry)) {
            byte[] bytes = in.readNBytes(LONGEST_PICKLE + 1);
            if (bytes.length != entry.getSize()) {
                throw new ModelFormatException(path + ": truncated: entry " + entry.getName() + " ends too early");
            }
            return bytes;
        }
    }

    private SourceTensor tensor(
            String name,
            PickledTensor pickled,
            Map<String, ZipArchiveEntry> entries,
            String prefix,
            MemorySegment file) {
        MemorySegment storage =
                storage(entry(entries, prefix + "data/" + pickled.storage().key()), file);
        DType dtype = pickled.storage().dtype();
        List<Long> shape = pickled.shape();
        List<Long> strides = pickled.strides();
        if (shape.size() != strides.size()) {
            throw new ModelFormatException(
                    path + ": tensor " + name + ": shape " + shape + " does not go with strides " + strides);
        }
        try {
            long last = pickled.offset();
            boolean empty = false;
            for (int i = 0; i < shape.size(); i++) {
                if (shape.get(i) < 0 || strides.get(i) < 0) {
                    throw new ArithmeticException("negative");
                }
                empty |= shape.get(i) == 0;
                last = Math.addExact(last, Math.multiplyExact(Math.max(0, shape.get(i) - 1), strides.get(i)));
            }
            long end = Math.multiplyExact(Math.addExact(last, empty ? 0 : 1), (long) dtype.bytes());
            if (pickled.offset() < 0 || end > storage.byteSize()) {
                throw new ArithmeticException("outside");
            }
            return new StridedTensor(name, dtype, shape, strides, storage.asSlice(pickled.offset() * dtype.bytes()));
        } catch (ArithmeticException e) {
            throw new ModelFormatException(
                    path + ": tensor " + name + ": " + dtype + " " + shape + " from element " + pickled.offset()
                            + " with strides " + strides + " does not lie within its storage of " + storage.byteSize()
                            + " bytes",
                    e);
        }
    }

    private MemorySegment storage(ZipArchiveEntry entry, MemorySegment file) {
        long offset = entry.getDataOffset();
        if (entry.getMethod() != ZipEntry.STORED) {
            throw new ModelFormatException(
                    path + ": entry " + entry.getName() + " is compressed, which torch never does");
        }
        if (offset < 0 || entry.getSize() < 0 || offset > file.byteSize() - entry.getSize()) {
            throw new ModelFormatException(path + ": truncated: entry " + entry.getName() + " lies outside the file");
        }
        return file.asSlice(offset, entry.getSize());
    }
}
