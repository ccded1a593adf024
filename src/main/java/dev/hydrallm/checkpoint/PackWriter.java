package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.FileDigest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.TensorView;
import dev.hydrallm.model.WeightFormat;
import java.io.BufferedOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Writes a pack's weights as one stream: safetensors whose every tensor begins at a multiple of
 * {@value PackLayout#ALIGNMENT} bytes. Holds one matrix's scales and about a megabyte of its rows at a time, or all its 4-bit codes,
 * before which its scales stand, so a model of any size is packed in little memory.
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
     * @return the file's digest
     */
    FileDigest write(Function<PackLayout.Part, Rows> rows, Packer.Progress progress) throws IOException {
        FileDigest.Recorder digest = new FileDigest.Recorder();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW);
                OutputStream out = new BufferedOutputStream(
                        new DigestedStream(Channels.newOutputStream(channel), digest), BUFFER)) {
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
        return digest.finish();
    }

    /** Digests what it passes on. */
    private static final class DigestedStream extends FilterOutputStream {
        private final FileDigest.Recorder digest;

        DigestedStream(OutputStream out, FileDigest.Recorder digest) {
            super(out);
            this.digest = digest;
        }

        @Override
        public void write(int value) throws IOException {
            write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int from, int length) throws IOException {
            out.write(bytes, from, length);
            digest.update(bytes, from, length);
        }
    }

    private void write(OutputStream out, PackLayout.Part part, Rows rows) throws IOException {
        switch (part) {
            case PackLayout.Vector(String name, long length) -> {
                int columns = Math.toIntExact(length);
                writeRows(out, rows, columns, RowEncoder.floats(DType.F32, columns));
            }
            case PackLayout.Matrix matrix -> {
                WeightFormat format = Objects.requireNonNull(formats.get(matrix.group()));
                int columns = Math.toIntExact(matrix.columns());
                RowEncoder encoder = RowEncoder.of(matrix, format);
                switch (format) {
                    case WeightFormat.Floats _, WeightFormat.Int8 _ -> {
                        writeRows(out, rows, columns, encoder);
                        writeOthers(out, encoder);
                    }
                    case WeightFormat.Int4 _, WeightFormat.Nf4 _ -> {
                        List<byte[]> codes = new ArrayList<>();
                        encode(rows, columns, encoder, codes::add);
                        writeOthers(out, encoder);
                        for (byte[] block : codes) {
                            write(out, block);
                        }
                        align(out);
                    }
                }
            }
        }
    }

    private void writeRows(OutputStream out, Rows rows, int columns, RowEncoder encoder) throws IOException {
        encode(rows, columns, encoder, block -> write(out, block));
        align(out);
    }

    private void writeOthers(OutputStream out, RowEncoder encoder) throws IOException {
        for (byte[] other : encoder.others()) {
            write(out, other);
            align(out);
        }
    }

    /** What takes encoded rows. */
    @FunctionalInterface
    private interface Blocks {
        void add(byte[] block) throws IOException;
    }

    private static void encode(Rows rows, int columns, RowEncoder encoder, Blocks blocks) throws IOException {
        int count = Math.toIntExact(rows.count());
        int together = Math.max(1, BUFFER / encoder.rowBytes());
        for (int from = 0; from < count; from += together) {
            blocks.add(encoded(rows, from, Math.min(count, from + together), columns, encoder));
        }
    }

    /** Rows in bytes, made by all processors: choosing the scales of 4-bit groups takes longer than writing them. */
    private static byte[] encoded(Rows rows, int from, int to, int columns, RowEncoder encoder) {
        int rowBytes = encoder.rowBytes();
        byte[] block = new byte[(to - from) * rowBytes];
        @Nullable RuntimeException[] failures = new RuntimeException[to - from];
        IntStream.range(from, to).parallel().forEach(r -> {
            try {
                float[] row = new float[columns];
                rows.read(r, row);
                ByteBuffer target = littleEndian(block).slice((r - from) * rowBytes, rowBytes);
                encoder.encode(r, row, target.order(ByteOrder.LITTLE_ENDIAN));
            } catch (RuntimeException e) {
                failures[r - from] = e;
            }
        });
        for (RuntimeException failure : failures) {
            if (failure != null) {
                throw failure; // the first row's, whichever thread was first
            }
        }
        return block;
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
}
