package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Writes tensors that come one after the other as single-precision numbers, in no more memory than the largest of them takes.
 */
public final class TensorWriter {
    private static final int BUFFER = 1 << 20;
    private static final int ALIGNMENT = 8;

    private TensorWriter() {}

    /**
     * A tensor to be written.
     *
     * @param dtype F32, F16 or BF16
     */
    public record Entry(String name, DType dtype, List<Long> shape) {
        /** @throws IllegalArgumentException for any other type */
        public Entry {
            shape = List.copyOf(shape);
            if (dtype != DType.F32 && dtype != DType.F16 && dtype != DType.BF16) {
                throw new IllegalArgumentException(name + ": weights are not written as " + dtype);
            }
        }

        /** A tensor of an array's shape. */
        public static Entry of(String name, DType dtype, int[] shape) {
            return new Entry(
                    name, dtype, Arrays.stream(shape).asLongStream().boxed().toList());
        }

        long bytes() {
            return TensorView.byteSize(dtype, shape);
        }

        long numbers() {
            return bytes() / dtype.bytes();
        }
    }

    /** Where the numbers come from. */
    @FunctionalInterface
    public interface Values {
        /** Puts all numbers of a tensor, row by row. */
        void read(Entry entry, FloatBuffer into) throws IOException;
    }

    /**
     * Writes a safetensors file and sees it safe on the disk.
     *
     * @param file where nothing is yet
     * @throws IllegalArgumentException when a number does not fit its type, or is none
     */
    public static void safetensors(Path file, List<Entry> entries, Values values) throws IOException {
        List<String> headers = new ArrayList<>();
        headers.add("\"__metadata__\":{\"format\":\"pt\"}");
        long end = 0;
        for (Entry entry : entries) {
            headers.add(String.format(
                    Locale.ROOT,
                    "\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}",
                    entry.name(),
                    entry.dtype(),
                    entry.shape().toString().replace(" ", ""),
                    end,
                    end + entry.bytes()));
            end += entry.bytes();
        }
        String json = "{" + String.join(",", headers) + "}";
        byte[] header =
                (json + " ".repeat(Math.floorMod(-json.length(), ALIGNMENT))).getBytes(StandardCharsets.US_ASCII);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
            ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            writeAll(channel, length.putLong(header.length).flip());
            writeAll(channel, ByteBuffer.wrap(header));
            write(entries, values, entry -> channel);
            channel.force(true);
        }
    }

    /** Where a tensor's bytes go, asked for just before they come. */
    interface Target {
        WritableByteChannel of(Entry entry) throws IOException;
    }

    /** Writes the numbers of all tensors in their types. */
    static void write(List<Entry> entries, Values values, Target target) throws IOException {
        long most = entries.stream().mapToLong(Entry::numbers).max().orElse(0);
        try (Arena arena = Arena.ofConfined()) {
            FloatBuffer numbers = numbers(arena, most);
            ByteBuffer bytes = ByteBuffer.allocateDirect(BUFFER).order(ByteOrder.LITTLE_ENDIAN);
            for (Entry entry : entries) {
                numbers.clear().limit(Math.toIntExact(entry.numbers()));
                values.read(entry, numbers);
                if (numbers.hasRemaining()) {
                    throw new IllegalStateException(entry.name() + ": " + numbers.remaining() + " of " + entry.numbers()
                            + " numbers are missing");
                }
                write(entry, numbers.flip(), bytes, target.of(entry));
            }
        }
    }

    /** Room for numbers; one buffer outside the heap ends at 2 GiB. */
    private static FloatBuffer numbers(Arena arena, long count) {
        long bytes = count * Float.BYTES;
        return bytes <= Integer.MAX_VALUE
                ? arena.allocate(bytes, Float.BYTES)
                        .asByteBuffer()
                        .order(ByteOrder.nativeOrder())
                        .asFloatBuffer()
                : FloatBuffer.allocate(Math.toIntExact(count));
    }

    private static void write(Entry entry, FloatBuffer numbers, ByteBuffer bytes, WritableByteChannel channel)
            throws IOException {
        while (numbers.hasRemaining()) {
            bytes.clear();
            int count = Math.min(
                    numbers.remaining(), bytes.capacity() / entry.dtype().bytes());
            FloatBuffer now = numbers.slice(numbers.position(), count);
            numbers.position(numbers.position() + count);
            if (entry.dtype() == DType.F32) {
                copy(entry, now, bytes);
            } else {
                while (now.hasRemaining()) {
                    put(entry, now.get(), bytes);
                }
            }
            writeAll(channel, bytes.flip());
        }
    }

    /** Gigabytes of a run's state go through here. */
    private static void copy(Entry entry, FloatBuffer numbers, ByteBuffer bytes) {
        for (int i = 0; i < numbers.limit(); i++) {
            requireFinite(entry, numbers.get(i), numbers.get(i));
        }
        bytes.asFloatBuffer().put(numbers);
        bytes.position(numbers.limit() * Float.BYTES);
    }

    private static void put(Entry entry, float number, ByteBuffer bytes) {
        if (entry.dtype() == DType.F16) {
            short half = Float.floatToFloat16(number);
            bytes.putShort(half);
            requireFinite(entry, number, Float.float16ToFloat(half));
        } else {
            int bits = Float.floatToRawIntBits(number);
            // To the nearest, and of two equally near ones to the even one.
            int rounded = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
            bytes.putShort((short) rounded);
            requireFinite(entry, number, Float.intBitsToFloat(rounded << 16));
        }
    }

    private static void requireFinite(Entry entry, float number, float written) {
        if (!Float.isFinite(written)) {
            throw new IllegalArgumentException(entry.name() + ": the weight " + number
                    + (Float.isFinite(number) ? " is too large for " + entry.dtype() : " is no finite number"));
        }
    }

    private static void writeAll(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
