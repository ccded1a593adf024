package dev.hydrallm.training.data;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;
import java.io.CharConversionException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** An array of objects, or an object a line. One that is no JSON, but the first, is dropped alone. */
final class JsonReader {
    /** Bytes of a line or an element. */
    private static final int LONGEST = 64 << 20;

    private static final int[] BYTE_ORDER_MARK = {0xEF, 0xBB, 0xBF};

    private static final JsonMapper JSON = JsonMapper.builder().build();

    static {
        JSON.getFactory()
                .setStreamReadConstraints(
                        StreamReadConstraints.builder().maxStringLength(LONGEST).build());
    }

    /** What stands for one object. */
    private record Part(ObjectReader reader, String complaint) {
        static final Part LINE = new Part(JSON.reader(), "the first line is no JSON (an object must be on one line)");
        /** Two of them without a comma between are none. */
        static final Part ELEMENT =
                new Part(JSON.reader(DeserializationFeature.FAIL_ON_TRAILING_TOKENS), "the first element is no JSON");
    }

    private final Path file;
    private final DocumentReader.Sink sink;
    private boolean anyJson;

    JsonReader(Path file, DocumentReader.Sink sink) {
        this.file = file;
        this.sink = sink;
    }

    /** @param in can mark */
    void read(InputStream in) throws IOException {
        long offset = skipMark(in);
        while (true) {
            in.mark(1);
            int first = in.read();
            if (first == '[' || first == '{') {
                in.reset();
                if (first == '[') {
                    array(in, offset);
                } else {
                    lines(in, offset);
                }
                return;
            }
            if (first < 0) {
                throw new DataFormatException(file + ": there is nothing in it");
            }
            if (!Character.isWhitespace(first)) {
                throw new DataFormatException(file + ": no JSON at byte " + offset
                        + ": it must begin with [ (an array of conversations) or { (one a line)");
            }
            offset++;
        }
    }

    private static int skipMark(InputStream in) throws IOException {
        in.mark(BYTE_ORDER_MARK.length);
        for (int expected : BYTE_ORDER_MARK) {
            if (in.read() != expected) {
                in.reset();
                return 0;
            }
        }
        return BYTE_ORDER_MARK.length;
    }

    private void array(InputStream in, long begin) throws IOException {
        ArrayElements elements = new ArrayElements(file, in, begin, LONGEST);
        for (long number = 1; ; number++) {
            Optional<ArrayElements.Element> element = elements.next();
            if (element.isEmpty()) {
                return;
            }
            String place = file + " #" + number;
            if (element.get().isBlank()) {
                sink.take(new Entry.Bad(Drop.NO_JSON, place));
            } else {
                take(element.get().bytes(), place, Part.ELEMENT, element.get().begin());
            }
        }
    }

    private void lines(InputStream in, long begin) throws IOException {
        for (long number = 1; ; number++) {
            @Nullable ByteArrayOutputStream line = line(in);
            if (line == null) {
                return;
            }
            if (!line.toString(StandardCharsets.ISO_8859_1).isBlank()) {
                take(line.toByteArray(), file + ":" + number, Part.LINE, begin);
            }
        }
    }

    /**
     * Takes one object.
     *
     * @param begin where it begins, if it is the first
     * @throws DataFormatException when the first is no JSON: then the file is none
     */
    private void take(byte[] json, String place, Part part, long begin) throws IOException {
        if (json.length > LONGEST) {
            sink.take(new Entry.Bad(Drop.TOO_LONG, place));
            return;
        }
        JsonNode node;
        try {
            node = part.reader.readTree(json);
        } catch (JsonProcessingException e) {
            noJson(place, part, begin + offset(e), e.getOriginalMessage(), e);
            return;
        } catch (CharConversionException e) {
            // What begins with zeros is taken for UTF-32, and may be none.
            noJson(place, part, begin, String.valueOf(e.getMessage()), e);
            return;
        }
        anyJson = true;
        sink.take(JsonDocuments.read(node, place));
    }

    private void noJson(String place, Part part, long at, String why, IOException cause) throws IOException {
        if (!anyJson) {
            throw new DataFormatException(file + ": " + part.complaint + " at byte " + at + ": " + why, cause);
        }
        sink.take(new Entry.Bad(Drop.NO_JSON, place));
    }

    /** Where it went wrong; what is refused for its size has no place. */
    private static long offset(JsonProcessingException e) {
        @Nullable JsonLocation place = e.getLocation();
        return place == null ? 0 : Math.max(0, place.getByteOffset());
    }

    /** The next line; of one that is too long its beginning; null at the end. */
    private static @Nullable ByteArrayOutputStream line(InputStream in) throws IOException {
        int b = in.read();
        if (b < 0) {
            return null;
        }
        ByteArrayOutputStream line = new ByteArrayOutputStream(256);
        for (; b >= 0 && b != '\n'; b = in.read()) {
            if (line.size() <= LONGEST) {
                line.write(b);
            }
        }
        return line;
    }
}
