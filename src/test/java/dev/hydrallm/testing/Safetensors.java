package dev.hydrallm.testing;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.TensorView;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/** Writes small safetensors files for tests, correct ones and, from parts, broken ones. */
public final class Safetensors {
    private final Map<String, String> entries = new LinkedHashMap<>();
    private final ByteArrayOutputStream data = new ByteArrayOutputStream();

    /** Adds a tensor; its size must fit its shape. */
    public Safetensors add(String name, DType dtype, List<Long> shape, byte[] bytes) {
        if (TensorView.byteSize(dtype, shape) != bytes.length) {
            throw new IllegalArgumentException(name);
        }
        int begin = data.size();
        data.writeBytes(bytes);
        entries.put(name, entry(dtype.name(), shape, begin, data.size()));
        return this;
    }

    /** Writes what was added. */
    public Path write(Path file) {
        StringJoiner header = new StringJoiner(",", "{", "}");
        entries.forEach((name, entry) -> header.add('"' + name + "\":" + entry));
        return write(file, header.toString(), data.toByteArray());
    }

    /** One tensor's entry of a header. */
    public static String entry(String dtype, List<Long> shape, long begin, long end) {
        return "{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" + begin + "," + end + "]}";
    }

    /** Writes any header before any data. */
    public static Path write(Path file, String header, byte[] data) {
        return write(file, bytes(header, data));
    }

    /** Any header before any data. */
    public static byte[] bytes(String header, byte[] data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(Long.BYTES + json.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .put(data)
                .array();
    }

    /** Writes any bytes at all. */
    public static Path write(Path file, byte[] bytes) {
        try {
            return Files.write(file, bytes);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
