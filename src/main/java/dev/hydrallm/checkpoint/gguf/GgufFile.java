package dev.hydrallm.checkpoint.gguf;

import dev.hydrallm.model.MappedFile;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.quantization.GgmlFormat;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A little-endian GGUF file of version 2 or 3, mapped into memory and checked before anything is handed out: every count
 * and length against the bytes that are left, no key or tensor twice, texts in UTF-8, every tensor of a type that can be
 * read, aligned, in whole blocks, within the file and side by side with the next.
 *
 * <p>Thread-safe. After {@link #close} the tensors' memory can no longer be read.
 *
 * @see <a href="https://github.com/ggml-org/ggml/blob/master/docs/gguf.md">the format</a>
 */
public final class GgufFile implements AutoCloseable {
    private static final int MAGIC = 0x46554747;
    private static final int OLDEST = 2;
    private static final int NEWEST = 3;
    private static final int LONGEST_KEY = 65_535;
    private static final int LONGEST_NAME = 64;
    private static final int MOST_AXES = 4;
    private static final long DEFAULT_ALIGNMENT = 32;
    private static final long LARGEST_ALIGNMENT = 1 << 20;
    /** An empty key, a type, and a value of a byte. */
    private static final int SMALLEST_ENTRY = Long.BYTES + Integer.BYTES + 1;
    /** An empty name, the number of axes, one axis, a type, and an offset. */
    private static final int SMALLEST_TENSOR = Long.BYTES + Integer.BYTES + Long.BYTES + Integer.BYTES + Long.BYTES;

    private final MappedFile file;
    private final GgufMetadata metadata;
    private final Map<String, GgufTensor> tensors;

    /** A tensor as the header describes it; its type and its shape are checked, its place is not. */
    private record Described(String name, GgmlFormat format, List<Long> shape, long offset, long size) {}

    private GgufFile(MappedFile file) {
        this.file = file;
        GgufCursor in = new GgufCursor(file.path(), file.bytes());
        requireVersion(in);
        int tensorCount = in.count("the number of tensors", SMALLEST_TENSOR);
        int entryCount = in.count("the number of metadata entries", SMALLEST_ENTRY);
        this.metadata = metadata(in, entryCount);
        long parts = metadata.integer("split.count").orElse(1L);
        if (parts > 1) {
            throw metadata.broken(
                    "is one of " + parts + " parts of a model; join them first with llama-gguf-split --merge");
        }
        List<Described> described = new ArrayList<>();
        for (int i = 0; i < tensorCount; i++) {
            described.add(describe(in));
        }
        this.tensors = place(described, in.position());
    }

    /**
     * Maps and checks a file.
     *
     * @throws ModelFormatException when the file is missing, unreadable, breaks the format or holds a type of weights
     *     that cannot be read
     */
    public static GgufFile open(Path path) {
        return MappedFile.open(path, GgufFile::new);
    }

    /** The file's path, as given to {@link #open}. */
    public Path path() {
        return file.path();
    }

    public GgufMetadata metadata() {
        return metadata;
    }

    /** The tensors by their names in the file, in the order of the header. */
    public Map<String, GgufTensor> tensors() {
        return tensors;
    }

    @Override
    public void close() {
        file.close();
    }

    private static void requireVersion(GgufCursor in) {
        if (in.int32() != MAGIC) {
            throw in.broken(
                    "is no GGUF file: it does not begin with GGUF (other checkpoints are named by their directory)");
        }
        int version = in.int32();
        int swapped = Integer.reverseBytes(version);
        if (swapped >= 1 && swapped <= NEWEST) {
            throw in.broken(
                    "is big-endian, and only little-endian files are read; convert it with gguf-convert-endian");
        }
        if (version < OLDEST || version > NEWEST) {
            throw in.broken("GGUF version " + Integer.toUnsignedString(version) + " is not supported; 2 and 3 are");
        }
    }

    private GgufMetadata metadata(GgufCursor in, int count) {
        Map<String, Object> values = new LinkedHashMap<>();
        GgufValues reader = new GgufValues(in);
        for (int i = 0; i < count; i++) {
            String key = in.string("the key of a metadata entry", LONGEST_KEY);
            if (values.put(key, reader.read(key)) != null) {
                throw in.broken("metadata " + key + " stands twice");
            }
        }
        return new GgufMetadata(file.path(), values);
    }

    private static Described describe(GgufCursor in) {
        String name = in.string("a tensor's name", LONGEST_NAME);
        String tensor = "tensor " + name + ": ";
        long axes = in.uint32();
        if (axes < 1 || axes > MOST_AXES) {
            throw in.broken(tensor + axes + " axes, not 1 to " + MOST_AXES);
        }
        List<Long> shape = new ArrayList<>();
        long elements = 1;
        for (int i = 0; i < axes; i++) {
            long length = in.uint64(tensor + "an axis");
            if (length < 1 || length > Integer.MAX_VALUE) {
                throw in.broken(tensor + "an axis of length " + length);
            }
            shape.addFirst(length);
            elements = Math.multiplyHigh(elements, length) == 0 ? elements * length : -1;
            if (elements < 0 || elements > Long.MAX_VALUE / Long.BYTES) {
                throw in.broken(tensor + "the shape " + shape + " is too large");
            }
        }
        long type = in.uint32();
        GgmlFormat format = GgufTypes.supported(type)
                .orElseThrow(() -> in.broken(tensor + "weights of type " + GgufTypes.nameOf(type)
                        + " are not supported; " + Arrays.toString(GgmlFormat.values()) + " are"));
        long offset = in.uint64(tensor + "its offset");
        if (shape.getLast() % format.elements() != 0) {
            throw in.broken(tensor + "rows of " + shape.getLast() + " weights are no whole blocks of "
                    + format.elements() + ", as " + format + " has");
        }
        return new Described(name, format, shape, offset, elements / format.elements() * format.bytes());
    }

    private Map<String, GgufTensor> place(List<Described> described, long headerEnd) {
        long alignment = metadata.integer("general.alignment").orElse(DEFAULT_ALIGNMENT);
        if (alignment < Long.BYTES || alignment > LARGEST_ALIGNMENT || Long.bitCount(alignment) != 1) {
            throw metadata.broken("metadata general.alignment is " + alignment + ", no power of two from " + Long.BYTES
                    + " to " + LARGEST_ALIGNMENT);
        }
        long begin = Math.min(aligned(headerEnd, alignment), file.bytes().byteSize());
        MemorySegment data = file.bytes().asSlice(begin);
        requireSideBySide(described, alignment, data.byteSize());
        Map<String, GgufTensor> placed = new LinkedHashMap<>();
        for (Described each : described) {
            GgufTensor tensor =
                    new GgufTensor(each.name(), each.format(), each.shape(), data.asSlice(each.offset(), each.size()));
            if (placed.put(each.name(), tensor) != null) {
                throw metadata.broken("tensor " + each.name() + " stands twice");
            }
        }
        return Collections.unmodifiableMap(placed);
    }

    private void requireSideBySide(List<Described> described, long alignment, long available) {
        long expected = 0;
        for (Described each : described.stream()
                .sorted(Comparator.comparingLong(Described::offset))
                .toList()) {
            String tensor = "tensor " + each.name() + ": ";
            if (each.offset() % alignment != 0) {
                throw metadata.broken(
                        tensor + "offset " + each.offset() + " is no multiple of the alignment " + alignment);
            }
            if (each.offset() != expected) {
                throw metadata.broken(tensor + "begins at byte " + each.offset() + " of the data"
                        + (each.offset() < expected ? ", inside the one before" : ", after a hole")
                        + "; it should at " + expected);
            }
            if (each.size() > available - each.offset()) {
                throw metadata.broken("truncated: " + tensor + each.size() + " bytes from byte " + each.offset()
                        + " of the data, which has " + available);
            }
            expected = aligned(each.offset() + each.size(), alignment);
        }
        if (available > expected) {
            throw metadata.broken((available - expected) + " bytes after the last tensor belong to none");
        }
    }

    private static long aligned(long position, long alignment) {
        return (position + alignment - 1) / alignment * alignment;
    }
}
