package dev.hydrallm.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The strict reader of a safetensors header: exactly the three fields of each tensor, nothing else, nothing twice. */
final class SafetensorsHeader {
    private static final String METADATA = "__metadata__";
    private static final int MOST_AXES = 8;
    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    /** One tensor's entry; its size is known to equal {@code end - begin}, counted from the header's end. */
    record Entry(String name, DType dtype, List<Long> shape, long begin, long end) {
        /** The tensor, whose bytes these are. */
        TensorView view(MemorySegment data) {
            return new TensorView(name, dtype, shape, data);
        }
    }

    private final Path path;
    private final JsonParser parser;

    private SafetensorsHeader(Path path, JsonParser parser) {
        this.path = path;
        this.parser = parser;
    }

    /**
     * Checks the length that a file gives its header.
     *
     * @param following bytes of the file behind that number
     */
    static long checkedLength(Path path, long length, long following) {
        if (length < 0 || length > SafetensorsFile.LONGEST_HEADER) {
            throw new ModelFormatException(path + ": a header of " + Long.toUnsignedString(length) + " bytes; at most "
                    + SafetensorsFile.LONGEST_HEADER + " are allowed");
        }
        if (length > following) {
            throw new ModelFormatException(path + ": truncated: the header should have " + length
                    + " bytes, the file has " + (following + Long.BYTES));
        }
        return length;
    }

    /**
     * The entries in the order of their data, which lies side by side and fills the file.
     *
     * @param dataBytes bytes of the file behind the header
     */
    static List<Entry> parse(Path path, byte[] header, long dataBytes) {
        List<Entry> entries = parse(path, header);
        long end = 0;
        for (Entry entry : entries) {
            if (entry.begin() != end) {
                throw new ModelFormatException(path + ": tensor " + entry.name() + " begins at byte " + entry.begin()
                        + (entry.begin() < end ? ", inside the one before, which ends at " : ", after a hole from ")
                        + end);
            }
            end = entry.end();
            if (end > dataBytes) {
                throw new ModelFormatException(path + ": truncated: tensor " + entry.name() + " ends at byte " + end
                        + " of the data, which has " + dataBytes);
            }
        }
        if (end != dataBytes) {
            throw new ModelFormatException(
                    path + ": " + (dataBytes - end) + " bytes after the last tensor belong to none");
        }
        return entries;
    }

    private static List<Entry> parse(Path path, byte[] header) {
        if (header.length == 0 || header[0] != '{') {
            throw new ModelFormatException(path + ": the header is no JSON object");
        }
        try (JsonParser parser = JSON.createParser(header)) {
            return new SafetensorsHeader(path, parser).entries();
        } catch (JsonProcessingException e) {
            throw new ModelFormatException(path + ": the header is broken: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new ModelFormatException(path + ": the header is broken: " + e.getMessage(), e);
        }
    }

    private List<Entry> entries() throws IOException {
        List<Entry> entries = new ArrayList<>();
        expect(JsonToken.START_OBJECT);
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            if (METADATA.equals(name)) {
                skipMetadata();
            } else {
                entries.add(entry(name));
            }
        }
        if (parser.nextToken() != null) {
            throw broken("something follows the object");
        }
        entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        return entries;
    }

    private void skipMetadata() throws IOException {
        expect(JsonToken.START_OBJECT);
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            expect(JsonToken.VALUE_STRING);
        }
    }

    private Entry entry(String name) throws IOException {
        @Nullable String dtypeName = null;
        @Nullable List<Long> shape = null;
        @Nullable List<Long> offsets = null;
        expect(JsonToken.START_OBJECT);
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String field = parser.currentName();
            switch (field) {
                case "dtype" -> {
                    expect(JsonToken.VALUE_STRING);
                    dtypeName = parser.getText();
                }
                case "shape" -> shape = numbers();
                case "data_offsets" -> offsets = numbers();
                default -> throw broken("tensor " + name + " has the unknown field " + field);
            }
        }
        if (dtypeName == null || shape == null || offsets == null || offsets.size() != 2) {
            throw broken("tensor " + name + " needs a dtype, a shape and two data_offsets");
        }
        return checked(name, dtypeName, shape, offsets.getFirst(), offsets.getLast());
    }

    private Entry checked(String name, String dtypeName, List<Long> shape, long begin, long end) {
        DType dtype = DType.named(dtypeName)
                .orElseThrow(() -> new ModelFormatException(
                        path + ": tensor " + name + ": the dtype " + dtypeName + " is not supported"));
        long size;
        try {
            size = TensorView.byteSize(dtype, shape);
        } catch (IllegalArgumentException e) {
            throw new ModelFormatException(path + ": tensor " + name + ": " + e.getMessage(), e);
        }
        if (end < begin || end - begin != size) {
            throw new ModelFormatException(path + ": tensor " + name + ": " + dtype + " " + shape + " needs " + size
                    + " bytes, its data_offsets are [" + begin + ", " + end + "]");
        }
        return new Entry(name, dtype, shape, begin, end);
    }

    private List<Long> numbers() throws IOException {
        List<Long> numbers = new ArrayList<>();
        expect(JsonToken.START_ARRAY);
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT || parser.getLongValue() < 0) {
                throw broken("a shape or offset is not a whole number from 0 on");
            }
            if (numbers.size() == MOST_AXES) {
                throw broken("a shape has more than " + MOST_AXES + " axes");
            }
            numbers.add(parser.getLongValue());
        }
        return numbers;
    }

    private void expect(JsonToken token) throws IOException {
        if (parser.nextToken() != token) {
            throw broken("expected " + token + ", found " + parser.currentToken());
        }
    }

    private JsonParseException broken(String what) {
        return new JsonParseException(parser, what);
    }
}
