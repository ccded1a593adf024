package dev.hydrallm.checkpoint;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/**
 * Interprets the pickles that {@code torch.save} writes, and nothing else. A pickle is a program for a small stack machine
 * that may name any Python function and call it; here the names on the list of {@link PickleGlobals} stand for values of
 * our own, any other ends the reading, and nothing is ever called.
 *
 * @see <a href="https://docs.python.org/3/library/pickletools.html">the operations</a>
 */
final class Unpickler {
    /** Python's None. */
    enum None {
        NONE
    }

    /** An object of a listed class: a bag of attributes, which it shares with the dictionary that they came in. */
    static final class Module {
        private Map<?, ?> attributes = Map.of();

        Map<?, ?> attributes() {
            return attributes;
        }
    }

    /** A Python tuple. */
    record Tuple(List<Object> items) {}

    private static final int NEWEST_PROTOCOL = 5;

    /** Some forty for a tensor; each may make an object, so this bounds the memory that a pickle can take. */
    private static final int MOST_OPERATIONS = 1 << 20;

    private static final int MOST_AXES = 8;
    private static final int MOST_MEMBERS = 32;

    private final String source;
    private final ByteBuffer in;
    private Deque<Object> stack = new ArrayDeque<>();
    private final Deque<Deque<Object>> marks = new ArrayDeque<>();
    private final Map<Integer, Object> memo = new HashMap<>();

    /**
     * A reader of one pickle.
     *
     * @param source what the pickle is called in errors
     */
    Unpickler(String source, byte[] pickle) {
        this.source = source;
        this.in = ByteBuffer.wrap(pickle).order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * The pickled value: maps, lists, tuples, strings, numbers, tensors and modules.
     *
     * @throws ModelFormatException when the pickle is broken or names something that is not on the list
     */
    Object load() {
        try {
            for (int i = 0; i < MOST_OPERATIONS; i++) {
                int operation = Byte.toUnsignedInt(in.get());
                if (operation == '.') {
                    return stack.pop();
                }
                run(operation);
            }
            throw broken("has more than " + MOST_OPERATIONS + " operations");
        } catch (BufferUnderflowException | NoSuchElementException | IndexOutOfBoundsException | ClassCastException e) {
            throw broken("ends too early or is damaged");
        }
    }

    private void run(int operation) {
        switch (operation) {
            case 0x80 -> protocol(Byte.toUnsignedInt(in.get()));
            case 0x95 -> in.getLong(); // a frame's length, of use to buffered readers only
            case '(' -> mark();
            case '0' -> stack.pop();
            case '1' -> popMark();
            case '2' -> stack.push(stack.getFirst());
            case 'N' -> stack.push(None.NONE);
            case 0x88 -> stack.push(true);
            case 0x89 -> stack.push(false);
            case 'J' -> stack.push((long) in.getInt());
            case 'K' -> stack.push((long) Byte.toUnsignedInt(in.get()));
            case 'M' -> stack.push((long) Short.toUnsignedInt(in.getShort()));
            case 0x8a -> stack.push(longNumber());
            case 'G' -> stack.push(Double.longBitsToDouble(Long.reverseBytes(in.getLong())));
            case 'X' -> stack.push(string(Integer.toUnsignedLong(in.getInt())));
            case 0x8c -> stack.push(string(Byte.toUnsignedInt(in.get())));
            case 0x8d -> stack.push(string(in.getLong()));
            case '}' -> stack.push(new LinkedHashMap<>());
            case ']' -> stack.push(new ArrayList<>());
            case ')' -> stack.push(new Tuple(List.of()));
            case 't' -> tuple(popMark());
            case 0x85 -> tuple(popLast(1));
            case 0x86 -> tuple(popLast(2));
            case 0x87 -> tuple(popLast(3));
            case 'a' -> append(popLast(1));
            case 'e' -> append(popMark());
            case 's' -> setItems(popLast(2));
            case 'u' -> setItems(popMark());
            case 'q' -> memo.put(Byte.toUnsignedInt(in.get()), stack.getFirst());
            case 'r' -> memo.put(in.getInt(), stack.getFirst());
            case 0x94 -> memo.put(memo.size(), stack.getFirst());
            case 'h' -> recall(Byte.toUnsignedInt(in.get()));
            case 'j' -> recall(in.getInt());
            case 'c' -> stack.push(PickleGlobals.named(source, line(), line()));
            case 0x93 -> stackGlobal();
            case 'Q' -> stack.push(storage((Tuple) stack.pop()));
            case 'R', 0x81 -> call();
            case 'b' -> build();
            default ->
                throw broken("holds the operation 0x" + Integer.toHexString(operation)
                        + ", which torch.save does not write");
        }
    }

    private void protocol(int version) {
        if (version > NEWEST_PROTOCOL) {
            throw broken("has protocol version " + version);
        }
    }

    private void mark() {
        marks.push(stack);
        stack = new ArrayDeque<>();
    }

    private List<Object> popMark() {
        List<Object> items = new ArrayList<>(stack.reversed());
        stack = marks.pop();
        return items;
    }

    private List<Object> popLast(int count) {
        List<Object> items = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            items.addFirst(stack.pop());
        }
        return items;
    }

    private void tuple(List<Object> items) {
        stack.push(new Tuple(items));
    }

    private void append(List<Object> items) {
        list(stack.getFirst()).addAll(items);
    }

    @SuppressWarnings("unchecked") // lists are made here, of objects
    private static List<Object> list(Object value) {
        return (List<Object>) value;
    }

    @SuppressWarnings("unchecked") // maps are made here, of objects
    private void setItems(List<Object> items) {
        Map<Object, Object> map = (Map<Object, Object>) stack.getFirst();
        if (items.size() % 2 != 0) {
            throw broken("holds a key without a value");
        }
        for (int i = 0; i < items.size(); i += 2) {
            // A container as a key would have to be hashed, and might hold itself.
            if (!(items.get(i) instanceof String) && !(items.get(i) instanceof Long)) {
                throw broken("holds a dictionary whose keys are not names");
            }
            map.put(items.get(i), items.get(i + 1));
        }
    }

    private void recall(int index) {
        Object value = memo.get(index);
        if (value == null) {
            throw broken("recalls a value that it never stored");
        }
        stack.push(value);
    }

    private void stackGlobal() {
        String name = (String) stack.pop();
        stack.push(PickleGlobals.named(source, (String) stack.pop(), name));
    }

    /** A function or class with its arguments; what it would make is made here, by its name. */
    private void call() {
        List<Object> arguments = ((Tuple) stack.pop()).items();
        PickleGlobals.Global function = (PickleGlobals.Global) stack.pop();
        stack.push(
                switch (function.kind()) {
                    case DICTIONARY -> dictionary(arguments);
                    case TENSOR -> tensor(arguments);
                    case PARAMETER -> (PickledTensor) arguments.getFirst();
                    case MODULE -> new Module();
                    case SET -> set(list(arguments.getFirst()));
                    case INERT -> None.NONE;
                    case STORAGE -> throw broken("calls " + function.name());
                });
    }

    private Map<Object, Object> dictionary(List<Object> arguments) {
        if (!arguments.isEmpty()) {
            throw broken("makes a dictionary out of arguments, which torch.save does not");
        }
        return new LinkedHashMap<>();
    }

    /** As the tuple of its members. */
    private Tuple set(List<Object> items) {
        if (items.size() > MOST_MEMBERS) {
            throw broken("holds a set of more than " + MOST_MEMBERS);
        }
        return new Tuple(List.copyOf(items));
    }

    private PickledTensor tensor(List<Object> arguments) {
        return new PickledTensor(
                (PickledTensor.Storage) arguments.get(0),
                (Long) arguments.get(1),
                longs((Tuple) arguments.get(2)),
                longs((Tuple) arguments.get(3)));
    }

    private List<Long> longs(Tuple tuple) {
        if (tuple.items().size() > MOST_AXES) {
            throw broken("holds a tensor of more than " + MOST_AXES + " axes");
        }
        return tuple.items().stream().map(Long.class::cast).toList();
    }

    /** A persistent id is {@code ("storage", class, key, device, elements)}. */
    private PickledTensor.Storage storage(Tuple id) {
        if (id.items().size() < 3 || !"storage".equals(id.items().getFirst())) {
            throw broken("refers to something else than a storage");
        }
        PickleGlobals.Global type = (PickleGlobals.Global) id.items().get(1);
        DType dtype = type.dtype().orElseThrow(() -> broken("has a storage of type " + type.name()));
        return new PickledTensor.Storage(dtype, (String) id.items().get(2));
    }

    /** Attributes of a module; those of a dictionary (its metadata) say nothing about tensors. */
    private void build() {
        Object state = stack.pop();
        if (stack.getFirst() instanceof Module module && state instanceof Map<?, ?> attributes) {
            module.attributes = attributes;
        }
    }

    private Object longNumber() {
        int length = Byte.toUnsignedInt(in.get());
        if (length > Long.BYTES) {
            // No size or offset is as large; hashes and the like may be.
            in.position(Math.min(in.limit(), in.position() + length));
            return None.NONE;
        }
        long value = 0;
        for (int i = 0; i < length; i++) {
            long part = in.get();
            value |= (i == length - 1 ? part : part & 0xff) << (8 * i);
        }
        return value;
    }

    private String string(long length) {
        if (length < 0 || length > in.remaining()) {
            throw new BufferUnderflowException();
        }
        byte[] bytes = new byte[(int) length];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private String line() {
        StringBuilder line = new StringBuilder();
        for (byte each = in.get(); each != '\n'; each = in.get()) {
            line.append((char) Byte.toUnsignedInt(each));
        }
        return line.toString();
    }

    private ModelFormatException broken(String what) {
        return new ModelFormatException(source + ": the pickle " + what);
    }
}
