package dev.hydrallm.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** A file of JSON lines, each with the number of a {@code step}, in ascending order. */
final class MetricsLog implements AutoCloseable {
    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final FileChannel channel;

    private MetricsLog(FileChannel channel) {
        this.channel = channel;
    }

    /** Opens a file, or begins one, without the lines behind a step and without one that was not finished. */
    static MetricsLog after(Path file, long step) throws IOException {
        long kept = Files.exists(file)
                ? read(file, line -> line.path("step").asLong(Long.MAX_VALUE) <= step, new ArrayList<>())
                : 0;
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            channel.truncate(kept).position(kept);
            return new MetricsLog(channel);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    /** All whole lines. */
    static List<JsonNode> lines(Path file) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        if (Files.exists(file)) {
            read(file, line -> true, lines);
        }
        return lines;
    }

    /** Reads up to the first line that is broken or not wanted, and returns where that begins. */
    private static long read(Path file, Predicate<JsonNode> wanted, List<JsonNode> into) throws IOException {
        long end = 0;
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            for (int next = in.read(); next >= 0; next = in.read()) {
                if (next != '\n') {
                    line.write(next);
                    continue;
                }
                JsonNode json = parsed(line.toByteArray());
                if (!json.isObject() || !wanted.test(json)) {
                    return end;
                }
                into.add(json);
                end += line.size() + 1;
                line.reset();
            }
        }
        return end;
    }

    private static JsonNode parsed(byte[] line) throws IOException {
        try {
            return JSON.readTree(line);
        } catch (JsonProcessingException e) {
            return JSON.missingNode();
        }
    }

    void add(ObjectNode line) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
