package dev.hydrallm.checkpoint.gguf;

import java.util.ArrayList;
import java.util.List;

/** Reads metadata values: a type, then the value itself. */
final class GgufValues {
    /** The longest text: chat templates have tens of thousands of characters. */
    private static final int LONGEST_TEXT = 1 << 20;

    private static final int ARRAY = 9;

    private final GgufCursor in;

    GgufValues(GgufCursor in) {
        this.in = in;
    }

    /** A Long, Double, Boolean, String, or a list whose members are all of one of these. */
    Object read(String key) {
        long type = in.uint32();
        return type == ARRAY ? array(key) : scalar(key, type);
    }

    private List<Object> array(String key) {
        long type = in.uint32();
        if (type == ARRAY) {
            throw in.broken("metadata " + key + " is a list of lists, which no model needs");
        }
        int count = in.count("the length of metadata " + key, smallest(key, type));
        List<Object> values = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            values.add(scalar(key, type));
        }
        return values;
    }

    private Object scalar(String key, long type) {
        return switch ((int) type) {
            case 0 -> (long) Byte.toUnsignedInt(in.int8());
            case 1 -> (long) in.int8();
            case 2 -> (long) Short.toUnsignedInt(in.int16());
            case 3 -> (long) in.int16();
            case 4 -> in.uint32();
            case 5 -> (long) in.int32();
            // The decimal number that was rounded to single precision: 1e-5, not 9.9999997e-6.
            case 6 -> Double.parseDouble(Float.toString(Float.intBitsToFloat(in.int32())));
            case 7 -> flag(key, in.int8());
            case 8 -> in.string("metadata " + key, LONGEST_TEXT);
            case 10 -> in.uint64("metadata " + key);
            case 11 -> in.int64();
            case 12 -> Double.longBitsToDouble(in.int64());
            default -> throw unknown(key, type);
        };
    }

    private int smallest(String key, long type) {
        return switch ((int) type) {
            case 0, 1, 7 -> Byte.BYTES;
            case 2, 3 -> Short.BYTES;
            case 4, 5, 6 -> Integer.BYTES;
            case 8, 10, 11, 12 -> Long.BYTES;
            default -> throw unknown(key, type);
        };
    }

    private boolean flag(String key, byte value) {
        if (value != 0 && value != 1) {
            throw in.broken("metadata " + key + " is neither true nor false but " + value);
        }
        return value == 1;
    }

    private RuntimeException unknown(String key, long type) {
        return in.broken("metadata " + key + " has the unknown type " + type);
    }
}
