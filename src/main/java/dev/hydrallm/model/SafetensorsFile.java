package dev.hydrallm.model;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
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

    private final MappedFile file;
    private final Map<String, TensorView> tensors;

    private SafetensorsFile(MappedFile file) {
        this.file = file;
        this.tensors = read(file.path(), file.bytes());
    }

    /**
     * Maps and checks a file.
     *
     * @throws ModelFormatException when the file is missing, unreadable or breaks the format
     */
    public static SafetensorsFile open(Path path) {
        return MappedFile.open(path, SafetensorsFile::new);
    }

    /** The file's path, as given to {@link #open}. */
    public Path path() {
        return file.path();
    }

    /** All bytes of the file. */
    public MemorySegment bytes() {
        return file.bytes();
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
            throw new ModelFormatException(file.path() + ": tensor " + name + " is missing");
        }
        return tensor;
    }

    @Override
    public void close() {
        file.close();
    }

    private static Map<String, TensorView> read(Path path, MemorySegment bytes) {
        if (bytes.byteSize() < PREFIX) {
            throw new ModelFormatException(
                    path + ": truncated: " + bytes.byteSize() + " bytes are no safetensors file");
        }
        long headerLength = SafetensorsHeader.checkedLength(path, bytes.get(LENGTH, 0), bytes.byteSize() - PREFIX);
        byte[] header = bytes.asSlice(PREFIX, headerLength).toArray(ValueLayout.JAVA_BYTE);
        MemorySegment data = bytes.asSlice(PREFIX + headerLength);
        Map<String, TensorView> views = new LinkedHashMap<>();
        for (SafetensorsHeader.Entry entry : SafetensorsHeader.parse(path, header, data.byteSize())) {
            views.put(entry.name(), entry.view(data.asSlice(entry.begin(), entry.end() - entry.begin())));
        }
        return Collections.unmodifiableMap(views);
    }
}
