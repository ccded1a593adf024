package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.zip.ZipEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveEntry;
import org.apache.commons.compress.archivers.zip.ZipArchiveOutputStream;

/**
 * Writes what {@code torch.save} of a dictionary of tensors writes: a zip of uncompressed entries, each of whose contents
 * begins at a multiple of {@value #ALIGNMENT} bytes, with a pickle of protocol 2 beside the raw storages.
 */
final class TorchWriter {
    /** Bytes; what the entry {@code .storage_alignment} says. */
    static final int ALIGNMENT = 64;

    private TorchWriter() {}

    /**
     * Writes a file and sees it safe on the disk.
     *
     * @param file where nothing is yet
     * @param name of the folder in it, for people
     */
    static void write(Path file, String name, List<TensorWriter.Entry> entries, TensorWriter.Values values)
            throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
            ZipArchiveOutputStream zip = new ZipArchiveOutputStream(channel);
            text(zip, name + "/data.pkl", new DictionaryPickle().of(entries));
            text(zip, name + "/.format_version", ascii("1"));
            text(zip, name + "/.storage_alignment", ascii(String.valueOf(ALIGNMENT)));
            text(zip, name + "/byteorder", ascii("little"));
            int[] storage = {0};
            TensorWriter.write(entries, values, entry -> {
                if (storage[0] > 0) {
                    zip.closeArchiveEntry();
                }
                begin(zip, name + "/data/" + storage[0]++, entry.bytes());
                return Channels.newChannel(zip);
            });
            if (storage[0] > 0) {
                zip.closeArchiveEntry();
            }
            text(zip, name + "/version", ascii("3\n"));
            zip.finish();
            channel.force(true);
        }
    }

    private static void begin(ZipArchiveOutputStream zip, String name, long size) throws IOException {
        ZipArchiveEntry entry = new ZipArchiveEntry(name);
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(size);
        entry.setAlignment(ALIGNMENT);
        entry.setTime(0);
        zip.putArchiveEntry(entry);
    }

    private static void text(ZipArchiveOutputStream zip, String name, byte[] content) throws IOException {
        begin(zip, name, content.length);
        zip.write(content);
        zip.closeArchiveEntry();
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    /** A pickle of a dictionary from names to tensors, each with a storage of its own. */
    private static final class DictionaryPickle {
        private static final Map<DType, String> STORAGES =
                Map.of(DType.F32, "FloatStorage", DType.F16, "HalfStorage", DType.BF16, "BFloat16Storage");

        private final ByteArrayOutputStream out = new ByteArrayOutputStream();
        private final Map<String, Integer> remembered = new HashMap<>();

        byte[] of(List<TensorWriter.Entry> entries) {
            op(0x80, 2, '}', '(');
            for (int i = 0; i < entries.size(); i++) {
                string(entries.get(i).name());
                tensor(entries.get(i), i);
            }
            op('u', '.');
            return out.toByteArray();
        }

        private void tensor(TensorWriter.Entry entry, int storage) {
            global("torch._utils", "_rebuild_tensor_v2");
            op('(', '(');
            string("storage");
            global("torch", Objects.requireNonNull(STORAGES.get(entry.dtype())));
            string(String.valueOf(storage));
            string("cpu");
            number(entry.numbers());
            op('t', 'Q');
            number(0);
            numbers(entry.shape());
            numbers(strides(entry.shape()));
            op(0x89);
            global("collections", "OrderedDict");
            op(')', 'R', 't', 'R');
        }

        private static List<Long> strides(List<Long> shape) {
            List<Long> strides = new ArrayList<>();
            long stride = 1;
            for (long length : shape.reversed()) {
                strides.addFirst(stride);
                stride *= length;
            }
            return strides;
        }

        private void op(int... bytes) {
            for (int each : bytes) {
                out.write(each);
            }
        }

        /** A name is written once and then recalled. */
        private void global(String module, String name) {
            Integer place = remembered.get(name);
            if (place != null) {
                op('h', place);
                return;
            }
            op('c');
            out.writeBytes(ascii(module + "\n" + name + "\n"));
            op('q', remembered.size());
            remembered.put(name, remembered.size());
        }

        private void string(String text) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            op('X');
            int32(bytes.length);
            out.writeBytes(bytes);
        }

        private void number(long value) {
            if (value == (int) value) {
                op('J');
                int32((int) value);
            } else {
                op(0x8a, Long.BYTES);
                out.writeBytes(ByteBuffer.allocate(Long.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(value)
                        .array());
            }
        }

        private void numbers(List<Long> values) {
            op('(');
            values.forEach(this::number);
            op('t');
        }

        private void int32(int value) {
            out.writeBytes(ByteBuffer.allocate(Integer.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(value)
                    .array());
        }
    }
}
