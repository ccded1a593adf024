package dev.hydrallm.testing;

import dev.hydrallm.model.DType;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Writes pickles of protocol 2 operation by operation, as {@code torch.save} would or as an attacker might. */
public final class Pickle {
    private static final Map<DType, String> STORAGES = Map.of(
            DType.F32,
            "FloatStorage",
            DType.F16,
            "HalfStorage",
            DType.BF16,
            "BFloat16Storage",
            DType.I8,
            "CharStorage");

    /** An {@code nn.Module}: its class, what it holds, and the names of buffers that its state leaves out. */
    public record Module(
            String className,
            Map<String, ?> parameters,
            Map<String, ?> buffers,
            List<String> computedBuffers,
            Map<String, ?> modules) {

        public static Module of(String className, Map<String, ?> parameters, Map<String, ?> modules) {
            return new Module(className, parameters, Map.of(), List.of(), modules);
        }
    }

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Map<String, byte[]> storages = new LinkedHashMap<>();

    public Pickle() {
        op(0x80, 2);
    }

    /** Raw operations and their arguments. */
    public Pickle op(int... bytes) {
        for (int each : bytes) {
            out.write(each);
        }
        return this;
    }

    /** The same operations many times. */
    public Pickle repeat(int times, int... bytes) {
        for (int i = 0; i < times; i++) {
            op(bytes);
        }
        return this;
    }

    public Pickle global(String module, String name) {
        op('c');
        out.writeBytes((module + '\n' + name + '\n').getBytes(StandardCharsets.UTF_8));
        return this;
    }

    public Pickle string(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        op('X');
        out.writeBytes(ByteBuffer.allocate(Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(bytes.length)
                .array());
        out.writeBytes(bytes);
        return this;
    }

    public Pickle number(long value) {
        op(0x8a, Long.BYTES);
        out.writeBytes(ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array());
        return this;
    }

    public Pickle numbers(List<Long> values) {
        op('(');
        values.forEach(this::number);
        return op('t');
    }

    /** A tensor, a module or a dictionary of such. */
    public Pickle value(Object value) {
        return switch (value) {
            case TestTensor tensor -> tensor(tensor);
            case Module module -> module(module);
            case Map<?, ?> map -> dictionary(map);
            case Boolean bool -> op(bool ? 0x88 : 0x89);
            case String text -> string(text);
            default -> throw new IllegalArgumentException(value.toString());
        };
    }

    public Pickle dictionary(Map<?, ?> map) {
        global("collections", "OrderedDict").op(')', 'R', '(');
        map.forEach((key, each) -> string((String) key).value(each));
        return op('u');
    }

    private Pickle tensor(TestTensor tensor) {
        List<Long> strides = new java.util.ArrayList<>();
        long stride = 1;
        for (long length : tensor.shape().reversed()) {
            strides.addFirst(stride);
            stride *= length;
        }
        String key = String.valueOf(storages.size());
        storages.put(key, tensor.bytes());
        return tensor(tensor.dtype(), key, 0, tensor.shape(), strides);
    }

    /** A tensor that says anything about its storage. */
    public Pickle tensor(DType dtype, String key, long offset, List<Long> shape, List<Long> strides) {
        global("torch._utils", "_rebuild_tensor_v2").op('(');
        op('(').string("storage").global("torch", String.valueOf(STORAGES.get(dtype)));
        string(key).string("cpu").number(0).op('t', 'Q');
        number(offset).numbers(shape).numbers(strides).op(0x89);
        return global("collections", "OrderedDict").op(')', 'R', 't', 'R');
    }

    private Pickle module(Module module) {
        int dot = module.className.lastIndexOf('.');
        global(module.className.substring(0, dot), module.className.substring(dot + 1));
        op(')', 0x81, '}', '(').string("training").op(0x88).string("_parameters");
        dictionaryOf(module.parameters, true).string("_buffers");
        dictionaryOf(module.buffers, false).string("_non_persistent_buffers_set");
        global("__builtin__", "set").op(']', '(');
        module.computedBuffers.forEach(this::string);
        op('e', 0x85, 'R').string("_modules");
        return dictionaryOf(module.modules, false).op('u', 'b');
    }

    private Pickle dictionaryOf(Map<String, ?> members, boolean parameters) {
        global("collections", "OrderedDict").op(')', 'R', '(');
        members.forEach((name, member) -> {
            string(name);
            if (parameters) {
                global("torch._utils", "_rebuild_parameter")
                        .op('(')
                        .value(member)
                        .op(0x88);
                global("collections", "OrderedDict").op(')', 'R', 't', 'R');
            } else {
                value(member);
            }
        });
        return op('u');
    }

    /** The finished pickle. */
    public byte[] bytes() {
        byte[] whole = java.util.Arrays.copyOf(out.toByteArray(), out.size() + 1);
        whole[out.size()] = '.';
        return whole;
    }

    /** The elements of the tensors that were written, by the keys of their storages. */
    public Map<String, byte[]> storages() {
        return storages;
    }
}
