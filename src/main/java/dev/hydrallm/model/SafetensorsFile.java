package dev.hydrallm.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A safetensors file, mapped into memory and checked before any tensor is handed out: a header of at most 16 MB, every
 * offset and size within the file, tensors side by side without overlap or hole up to the file's exact end, no name
 * twice, and each size equal to element size × shape.
 *
 * <p>Thread-safe. After {@link #close} the tensors' memory can no longer be read.
 *
 * @see <a href="https://huggingface.co/docs/safetensors/index#format">the format</a>
 */
public final class SafetensorsFile implements AutoCloseable {
    /** The longest header that is read, in bytes. */
    public static final int LONGEST_HEADER = 16_000_000;

    private static final int PREFIX = Long.BYTES;
    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path path;
    private final Arena arena;
    private final MemorySegment bytes;
    private final Map<String, TensorView> tensors;

    private SafetensorsFile(Path path, Arena arena) throws IOException {
        this.path = path;
        this.arena = arena;
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            this.bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        }
        this.tensors = read();
    }

    /**
     * Maps and checks a file.
     *
     * @throws ModelFormatException when the file is missing, unreadable or breaks the format
     */
    @SuppressWarnings("MustBeClosedChecker") // the opened file owns the arena and closes it
    public static SafetensorsFile open(Path path) {
        if (!Files.isRegularFile(path)) {
            throw new ModelFormatException(path + ": no such file");
        }
        Arena arena = Arena.ofShared();
        try {
            return new SafetensorsFile(path, arena);
        } catch (IOException e) {
            arena.close();
            throw new ModelFormatException(path + ": cannot be read: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /** The file's path, as given to {@link #open}. */
    public Path path() {
        return path;
    }

    /** All bytes of the file. */
    public MemorySegment bytes() {
        return bytes;
    }

    /** All tensors in the order of their data. */
    public Collection<TensorView> tensors() {
        return tensors.values();
    }

    /** The names of all tensors in the order of their data. */
    public Collection<String> names() {
        return tensors.keySet();
    }

    /**
     * The tensor of that name.
     *
     * @throws ModelFormatException when the file has none
     */
    public TensorView tensor(String name) {
        TensorView tensor = tensors.get(name);
        if (tensor == null) {
            throw new ModelFormatException(path + ": tensor " + name + " is missing");
        }
        return tensor;
    }

    @Override
    public void close() {
        arena.close();
    }

    private Map<String, TensorView> read() {
        if (bytes.byteSize() < PREFIX) {
            throw new ModelFormatException(
                    path + ": truncated: " + bytes.byteSize() + " bytes are no safetensors file");
        }
        long headerLength = bytes.get(LENGTH, 0);
        if (headerLength < 0 || headerLength > LONGEST_HEADER) {
            throw new ModelFormatException(path + ": a header of " + Long.toUnsignedString(headerLength)
                    + " bytes; at most " + LONGEST_HEADER + " are allowed");
        }
        if (headerLength > bytes.byteSize() - PREFIX) {
            throw new ModelFormatException(path + ": truncated: the header should have " + headerLength
                    + " bytes, the file has " + bytes.byteSize());
        }
        byte[] header = bytes.asSlice(PREFIX, headerLength).toArray(ValueLayout.JAVA_BYTE);
        MemorySegment data = bytes.asSlice(PREFIX + headerLength);

        Map<String, TensorView> views = new LinkedHashMap<>();
        long end = 0;
        for (SafetensorsHeader.Entry entry : SafetensorsHeader.parse(path, header)) {
            if (entry.begin() != end) {
                throw new ModelFormatException(path + ": tensor " + entry.name() + " begins at byte " + entry.begin()
                        + (entry.begin() < end ? ", inside the one before, which ends at " : ", after a hole from ")
                        + end);
            }
            end = entry.end();
            if (end > data.byteSize()) {
                throw new ModelFormatException(path + ": truncated: tensor " + entry.name() + " ends at byte " + end
                        + " of the data, which has " + data.byteSize());
            }
            views.put(entry.name(), entry.view(data));
        }
        if (end != data.byteSize()) {
            throw new ModelFormatException(
                    path + ": " + (data.byteSize() - end) + " bytes after the last tensor belong to none");
        }
        return Collections.unmodifiableMap(views);
    }
}
