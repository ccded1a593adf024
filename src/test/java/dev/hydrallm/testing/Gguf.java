package dev.hydrallm.testing;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Writes GGUF files for tests: correct ones, and with a wrong number wherever one is asked for. */
public final class Gguf {
    public static final int UINT32 = 4;
    public static final int INT32 = 5;
    public static final int FLOAT32 = 6;
    public static final int BOOL = 7;
    public static final int STRING = 8;
    public static final int ARRAY = 9;
    public static final int UINT64 = 10;

    private int magic = 0x46554747;
    private int version = 3;
    private int alignment = 32;
    private final Map<String, byte[]> entries = new LinkedHashMap<>();
    private final List<byte[]> repeated = new ArrayList<>();
    private final List<Tensor> tensors = new ArrayList<>();
    private Consumer<ByteBuffer> damage = bytes -> {};
    private int data;

    private record Tensor(String name, int type, List<Long> shape, long offset, byte[] bytes) {}

    public Gguf magic(int value) {
        magic = value;
        return this;
    }

    public Gguf version(int value) {
        version = value;
        return this;
    }

    /** Sets the alignment, and says so. */
    public Gguf alignment(int value) {
        alignment = value;
        return put("general.alignment", value);
    }

    public Gguf put(String key, String value) {
        return value(key, STRING, out -> string(out, value));
    }

    /** A number as most of them are: 32 bits, unsigned. */
    public Gguf put(String key, int value) {
        return value(key, UINT32, out -> number(out, value, Integer.BYTES));
    }

    public Gguf put(String key, float value) {
        return value(key, FLOAT32, out -> number(out, Float.floatToRawIntBits(value), Integer.BYTES));
    }

    public Gguf put(String key, boolean value) {
        return value(key, BOOL, out -> out.write(value ? 1 : 0));
    }

    public Gguf strings(String key, List<String> values) {
        return array(key, STRING, values.size(), out -> values.forEach(value -> string(out, value)));
    }

    public Gguf integers(String key, List<Integer> values) {
        return array(key, INT32, values.size(), out -> values.forEach(value -> number(out, value, Integer.BYTES)));
    }

    public Gguf floats(String key, List<Float> values) {
        return array(
                key,
                FLOAT32,
                values.size(),
                out -> values.forEach(value -> number(out, Float.floatToRawIntBits(value), Integer.BYTES)));
    }

    /** A list that says any length of any type. */
    public Gguf array(String key, int type, long length, Consumer<ByteArrayOutputStream> members) {
        return value(key, ARRAY, out -> {
            number(out, type, Integer.BYTES);
            number(out, length, Long.BYTES);
            members.accept(out);
        });
    }

    /** Any value of any type. */
    public Gguf value(String key, int type, Consumer<ByteArrayOutputStream> value) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        string(out, key);
        number(out, type, Integer.BYTES);
        value.accept(out);
        entries.put(key, out.toByteArray());
        return this;
    }

    /** Without an entry that was put. */
    public Gguf without(String key) {
        entries.remove(key);
        return this;
    }

    /** An entry a second time. */
    public Gguf repeat(String key) {
        repeated.add(entries.get(key));
        return this;
    }

    /**
     * Adds a tensor after the ones before.
     *
     * @param type its number in ggml
     * @param shape the slowest axis first, as elsewhere here
     */
    public Gguf tensor(String name, int type, List<Long> shape, byte[] bytes) {
        return tensor(name, type, shape, data, bytes);
    }

    /** Adds a tensor that says it is at any place. */
    public Gguf tensor(String name, int type, List<Long> shape, long offset, byte[] bytes) {
        tensors.add(new Tensor(name, type, shape, offset, bytes));
        data += bytes.length + pad(bytes.length);
        return this;
    }

    /** A tensor of 32-, or 16-bit numbers. */
    public Gguf tensor(String name, TestTensor tensor) {
        int type = switch (tensor.dtype()) {
            case F32 -> 0;
            case F16 -> 1;
            case BF16 -> 30;
            default -> throw new IllegalArgumentException(tensor.dtype().name());
        };
        return tensor(name, type, tensor.shape(), tensor.bytes());
    }

    /** Changes the bytes before they are written. */
    public Gguf damaged(Consumer<ByteBuffer> change) {
        damage = change;
        return this;
    }

    public Path write(Path file) {
        return Safetensors.write(file, bytes());
    }

    public byte[] bytes() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        number(out, magic, Integer.BYTES);
        number(out, version, Integer.BYTES);
        number(out, tensors.size(), Long.BYTES);
        number(out, entries.size() + repeated.size(), Long.BYTES);
        entries.values().forEach(out::writeBytes);
        repeated.forEach(out::writeBytes);
        for (Tensor tensor : tensors) {
            string(out, tensor.name());
            number(out, tensor.shape().size(), Integer.BYTES);
            tensor.shape().reversed().forEach(length -> number(out, length, Long.BYTES));
            number(out, tensor.type(), Integer.BYTES);
            number(out, tensor.offset(), Long.BYTES);
        }
        out.writeBytes(new byte[pad(out.size())]);
        for (Tensor tensor : tensors) {
            out.writeBytes(tensor.bytes());
            out.writeBytes(new byte[pad(tensor.bytes().length)]);
        }
        byte[] bytes = out.toByteArray();
        damage.accept(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
        return bytes;
    }

    /** A length, and a text. */
    public static void string(ByteArrayOutputStream out, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        number(out, bytes.length, Long.BYTES);
        out.writeBytes(bytes);
    }

    /** The low bytes of a number, the lowest first. */
    public static void number(ByteArrayOutputStream out, long value, int bytes) {
        for (int i = 0; i < bytes; i++) {
            out.write((int) (value >>> (8 * i)));
        }
    }

    private int pad(int length) {
        return Math.floorMod(-length, alignment);
    }
}
