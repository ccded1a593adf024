package dev.hydrallm.training.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hydrallm.training.Differences;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * A file of one JSON object a line, each with an {@code id}, that grows. What is in it stays: a line that was torn when a run was ended
 * is cut off when the next one begins. Thread-safe.
 */
final class DistilledFile implements AutoCloseable {
    private static final JsonMapper JSON = new JsonMapper();
    /** Of every line, as {@link Distillation} orders its fields. */
    private static final String BEGINNING = "{\"id\":\"";

    /**
     * Of whom answers are wanted.
     *
     * @param options that answers depend on, by name
     */
    record Asked(String model, Map<String, String> options) {}

    private final OutputStream out;
    private final Set<String> done;

    private DistilledFile(OutputStream out, Set<String> done) {
        this.out = out;
        this.done = done;
    }

    /**
     * Opens a file to go on with, or begins one.
     *
     * @param asked who answers, and how
     * @throws DataFormatException if it holds something else, or answers of another model or with other options
     */
    static DistilledFile open(Path path, Asked asked) throws IOException {
        Files.createDirectories(path.toAbsolutePath().getParent());
        FileChannel channel =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            if (!isLocked(channel)) {
                throw new IOException(path + ": another process writes answers into it");
            }
            Set<String> done = new HashSet<>();
            // Through the channel: to close another one of the same file would give the lock away.
            long whole = read(new BufferedInputStream(Channels.newInputStream(channel)), path, asked, done);
            channel.truncate(whole).position(whole);
            return new DistilledFile(Channels.newOutputStream(channel), done);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    private static boolean isLocked(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            return false;
        }
    }

    /** Collects the ids of whole lines; where the last of these ends. */
    private static long read(InputStream in, Path path, Asked asked, Set<String> done) throws IOException {
        long at = 0;
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int number = 1;
        for (int b; (b = in.read()) >= 0; ) {
            line.write(b);
            if (b == '\n') {
                done.add(id(path + ":" + number, line.toByteArray(), asked));
                at += line.size();
                line.reset();
                number++;
            }
        }
        requireTorn(path + ":" + number, line, asked);
        return at;
    }

    /** Only the beginning of an answer is cut off: the file might be another one, named by mistake. */
    private static void requireTorn(String place, ByteArrayOutputStream line, Asked asked) throws IOException {
        String text = line.toString(StandardCharsets.UTF_8);
        if (BEGINNING.startsWith(text)) {
            return;
        }
        if (!text.startsWith(BEGINNING) || isJson(text)) {
            id(place, line.toByteArray(), asked);
        }
    }

    private static boolean isJson(String text) {
        try {
            return JSON.readTree(text).isObject();
        } catch (JsonProcessingException e) {
            return false;
        }
    }

    private static String id(String place, byte[] line, Asked asked) throws IOException {
        JsonNode json;
        try {
            json = JSON.readTree(line);
        } catch (JsonProcessingException e) {
            throw new DataFormatException(
                    place + ": no JSON, so this is no file of answers to go on with: " + e.getOriginalMessage(), e);
        }
        if (!json.path("id").isTextual() || !json.path("model").isTextual()) {
            throw new DataFormatException(place + ": no id and model, so this is no file of answers to go on with");
        }
        if (!json.path("model").textValue().equals(asked.model())) {
            throw new DataFormatException(place + ": the answers are of "
                    + json.path("model").textValue() + ", not of " + asked.model() + ": choose another --output");
        }
        if (json.path("options").isObject()) {
            Map<String, String> held = JSON.convertValue(json.path("options"), new TypeReference<>() {});
            Differences.of(held, asked.options()).ifPresent(different -> {
                throw new DataFormatException(place + ": the answers were given with other options (" + different
                        + "): choose another --output, or give the same options to go on");
            });
        }
        return json.path("id").textValue();
    }

    boolean holds(String id) {
        return done.contains(id);
    }

    /** Adds a line, in one write. */
    synchronized void add(ObjectNode sample) {
        try {
            out.write((JSON.writeValueAsString(sample) + "\n").getBytes(StandardCharsets.UTF_8));
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}
