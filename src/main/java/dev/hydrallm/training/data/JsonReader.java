package dev.hydrallm.training.data;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** An array of objects, or an object a line. */
final class JsonReader {
    private static final int LONGEST_LINE = 64 << 20;
    private static final int[] BYTE_ORDER_MARK = {0xEF, 0xBB, 0xBF};

    private static final JsonMapper JSON = JsonMapper.builder().build();

    static {
        JSON.getFactory()
                .setStreamReadConstraints(StreamReadConstraints.builder()
                        .maxStringLength(LONGEST_LINE)
                        .build());
    }

    private final Path file;
    private final DocumentReader.Sink sink;

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
        try (JsonParser parser = JSON.getFactory().createParser(in)) {
            try {
                parser.nextToken();
                for (long number = 1; parser.nextToken() != JsonToken.END_ARRAY; number++) {
                    if (parser.currentToken() == null) {
                        throw new DataFormatException(file + ": the array is not closed at byte "
                                + (begin + parser.currentLocation().getByteOffset()) + ": is the file whole?");
                    }
                    JsonNode json = JSON.readTree(parser);
                    sink.take(JsonDocuments.read(json, file + " #" + number));
                }
            } catch (JsonProcessingException e) {
                throw new DataFormatException(
                        file + ": no JSON at byte " + (begin + offset(e, parser.currentLocation())) + ": "
                                + e.getOriginalMessage(),
                        e);
            }
        }
    }

    private void lines(InputStream in, long begin) throws IOException {
        boolean anyJson = false;
        for (long number = 1; ; number++) {
            @Nullable ByteArrayOutputStream line = line(in);
            if (line == null) {
                return;
            }
            String place = file + ":" + number;
            if (line.size() > LONGEST_LINE) {
                sink.take(new Entry.Bad(Drop.TOO_LONG, place));
            } else if (!line.toString(StandardCharsets.ISO_8859_1).isBlank()) {
                try {
                    sink.take(JsonDocuments.read(JSON.readTree(line.toByteArray()), place));
                    anyJson = true;
                } catch (JsonProcessingException e) {
                    if (!anyJson) {
                        throw new DataFormatException(
                                file + ": the first line is no JSON at byte "
                                        + (begin + offset(e, JsonLocation.NA)) + ": "
                                        + e.getOriginalMessage() + " (an object must be on one line)",
                                e);
                    }
                    sink.take(new Entry.Bad(Drop.NO_JSON, place));
                }
            }
        }
    }

    /** Where it went wrong; what is refused for its size has no place. */
    private static long offset(JsonProcessingException e, JsonLocation reached) {
        @Nullable JsonLocation place = e.getLocation();
        return Math.max(0, (place == null ? reached : place).getByteOffset());
    }

    /** The next line; of one that is too long its beginning; null at the end. */
    private static @Nullable ByteArrayOutputStream line(InputStream in) throws IOException {
        int b = in.read();
        if (b < 0) {
            return null;
        }
        ByteArrayOutputStream line = new ByteArrayOutputStream(256);
        for (; b >= 0 && b != '\n'; b = in.read()) {
            if (line.size() <= LONGEST_LINE) {
                line.write(b);
            }
        }
        return line;
    }
}
