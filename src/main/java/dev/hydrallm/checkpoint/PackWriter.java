package dev.hydrallm.checkpoint;

import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.TensorView;
import dev.hydrallm.model.WeightFormat;
import dev.hydrallm.quantization.Int8;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;

/**
 * Writes a pack's weights as one stream: safetensors whose every tensor begins at a multiple of
 * {@value PackLayout#ALIGNMENT} bytes. Holds one matrix's scales and one row at a time, so a model of any size is packed
 * in little memory.
 */
final class PackWriter {
    private static final int BUFFER = 1 << 20;

    private final Path file;
    private final List<PackLayout.Part> parts;
    private final Map<TensorGroup, WeightFormat> formats;
    private final byte[] header;
    private final long total;
    private long written;

    PackWriter(Path file, List<PackLayout.Part> parts, Map<TensorGroup, WeightFormat> formats) {
        this.file = file;
        this.parts = parts;
        this.formats = formats;
        List<String> entries = new ArrayList<>();
        long end = 0;
        for (PackLayout.Part part : parts) {
            for (PackLayout.Stored stored : PackLayout.stored(part, formats)) {
                long size = TensorView.byteSize(stored.dtype(), stored.shape());
                entries.add(entry(stored.name(), stored.dtype().name(), stored.shape(), end, end + size));
                end += size;
                long pad = pad(end);
                if (pad > 0) {
                    entries.add(entry(PackLayout.PAD_PREFIX + entries.size(), "U8", List.of(pad), end, end + pad));
                    end += pad;
                }
            }
        }
        String json = "{" + String.join(",", entries) + "}";
        this.header = (json + " ".repeat((int) pad(Long.BYTES + json.length()))).getBytes(StandardCharsets.US_ASCII);
        this.total = end;
    }

    private static String entry(String name, String dtype, List<Long> shape, long begin, long end) {
        return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":"
                + shape.toString().replace(" ", "") + ",\"data_offsets\":[" + begin + "," + end + "]}";
    }

    private static long pad(long end) {
        return Math.floorMod(-end, (long) PackLayout.ALIGNMENT);
    }

    /**
     * Writes all of it and sees it safe on the disk.
     *
     * @return the file's SHA-256 in lower-case hexadecimal
     */
    String write(Function<PackLayout.Part, Rows> rows, Packer.Progress progress) throws IOException {
        MessageDigest digest = sha256();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
                OutputStream out = new BufferedOutputStream(
                        new DigestOutputStream(Channels.newOutputStream(channel), digest), BUFFER)) {
            byte[] length = new byte[Long.BYTES];
            littleEndian(length).putLong(header.length);
            out.write(length);
            out.write(header);
            for (PackLayout.Part part : parts) {
                try {
                    write(out, part, rows.apply(part));
                } catch (IllegalArgumentException e) {
                    throw new ModelFormatException(part.name() + ": " + e.getMessage(), e);
                }
                progress.written(written, total);
            }
            out.flush();
            channel.force(true);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private void write(OutputStream out, PackLayout.Part part, Rows rows) throws IOException {
        switch (part) {
            case PackLayout.Vector(String name, long length) -> writeFloats(out, rows, Math.toIntExact(length));
            case PackLayout.Matrix matrix -> {
                int columns = Math.toIntExact(matrix.columns());
                switch (Objects.requireNonNull(formats.get(matrix.group()))) {
                    case F32 -> writeFloats(out, rows, columns);
                    case F16 -> writeHalves(out, rows, columns);
                    case INT8 -> writeCodes(out, rows, columns);
                }
            }
        }
    }

    private void writeFloats(OutputStream out, Rows rows, int columns) throws IOException {
        float[] row = new float[columns];
        byte[] encoded = new byte[columns * Float.BYTES];
        FloatBuffer target = littleEndian(encoded).asFloatBuffer();
        for (long r = 0; r < rows.count(); r++) {
            rows.read(r, row);
            target.put(0, row);
            write(out, encoded);
        }
        align(out);
    }

    private void writeHalves(OutputStream out, Rows rows, int columns) throws IOException {
        float[] row = new float[columns];
        byte[] encoded = new byte[columns * Short.BYTES];
        ByteBuffer target = littleEndian(encoded);
        for (long r = 0; r < rows.count(); r++) {
            rows.read(r, row);
            for (int i = 0; i < columns; i++) {
                target.putShort(i * Short.BYTES, Float.floatToFloat16(row[i]));
            }
            write(out, encoded);
        }
        align(out);
    }

    private void writeCodes(OutputStream out, Rows rows, int columns) throws IOException {
        float[] row = new float[columns];
        byte[] codes = new byte[columns];
        int count = Math.toIntExact(rows.count());
        byte[] encoded = new byte[count * Float.BYTES];
        ByteBuffer scales = littleEndian(encoded);
        for (int r = 0; r < count; r++) {
            rows.read(r, row);
            scales.putFloat(r * Float.BYTES, Int8.encode(row, codes));
            write(out, codes);
        }
        align(out);
        write(out, encoded);
        align(out);
    }

    private static ByteBuffer littleEndian(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private void write(OutputStream out, byte[] bytes) throws IOException {
        out.write(bytes);
        written += bytes.length;
    }

    private void align(OutputStream out) throws IOException {
        write(out, new byte[(int) pad(written)]);
    }

    /** The SHA-256 of bytes in lower-case hexadecimal. */
    static String digest(byte[] bytes) {
        return HexFormat.of().formatHex(sha256().digest(bytes));
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java runtime has SHA-256", e);
        }
    }
}
