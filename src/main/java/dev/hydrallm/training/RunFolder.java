package dev.hydrallm.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The output folder of one run, which no other run may use: by {@code run.json}, which says what was asked for, a run that was interrupted is
 * known again. Held by one process at a time.
 */
public final class RunFolder implements AutoCloseable {
    private static final String RUN = "run.json";
    private static final String LOCK = "run.lock";
    private static final String METRICS = "metrics.jsonl";
    /** Of {@code run.json}: no part of what was asked for, so that a run may go on elsewhere. */
    private static final String COMPUTED = "computed on";

    private static final String THEN = ", then ";

    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

    private final Path path;
    private final Map<String, String> identity;
    private final boolean known;
    private final FileChannel lock;
    private String computed;

    private RunFolder(Path path, Map<String, String> identity, boolean known, String computed, FileChannel lock) {
        this.path = path;
        this.identity = identity;
        this.known = known;
        this.computed = computed;
        this.lock = lock;
    }

    /** What to do with a folder that holds a run already. */
    public enum Resume {
        /** Go on with the same run, begin where there is none. */
        AUTO,
        /** Go on, or fail. */
        REQUIRED,
        /** Begin, or fail. */
        NEVER
    }

    /**
     * Takes a folder for a run.
     *
     * @param identity all that the result depends on, by the names of the options that say it
     * @throws IllegalArgumentException when it holds another run, or anything else, naming what is different
     */
    public static RunFolder open(Path path, Map<String, String> identity, Resume resume) throws IOException {
        Path run = path.resolve(RUN);
        if (resume == Resume.REQUIRED && !Files.isRegularFile(run)) {
            throw new IllegalArgumentException(path + " holds no run to go on with");
        }
        requireOurs(path);
        Files.createDirectories(path);
        FileChannel lock = lock(path.resolve(LOCK));
        try {
            // Another run that did nothing yet, say because it was too large for the device, is not in the way.
            boolean known = Files.isRegularFile(run) && (resume == Resume.REQUIRED || hasBegun(path));
            String computed = "";
            if (known) {
                Map<String, String> held = read(run);
                computed = Objects.requireNonNullElse(held.remove(COMPUTED), "");
                requireSame(path, held, identity);
            }
            if (known && resume == Resume.NEVER) {
                throw new IllegalArgumentException(path
                        + " holds this run already, and --resume never forbids to go on: choose another --output-dir");
            }
            RunFolder folder = new RunFolder(path, new LinkedHashMap<>(identity), known, computed, lock);
            if (!known) {
                folder.write();
            }
            return folder;
        } catch (IOException | RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    private void write() throws IOException {
        Map<String, String> content = new LinkedHashMap<>(identity);
        if (!computed.isEmpty()) {
            content.put(COMPUTED, computed);
        }
        Path unfinished = path.resolve(RUN + ".unfinished");
        Files.write(unfinished, JSON.writeValueAsBytes(content));
        Files.move(unfinished, path.resolve(RUN), StandardCopyOption.ATOMIC_MOVE);
    }

    /** Whether there is anything of a run that another one would spoil. */
    private static boolean hasBegun(Path path) throws IOException {
        Path metrics = path.resolve(METRICS);
        try (Stream<Path> entries = Files.list(path)) {
            return entries.map(entry -> entry.getFileName().toString())
                            .anyMatch(name -> !name.startsWith("run.") && !name.equals(METRICS))
                    || (Files.exists(metrics) && Files.size(metrics) > 0);
        }
    }

    private static FileChannel lock(Path file) throws IOException {
        FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        @Nullable FileLock lock;
        try {
            lock = channel.tryLock();
        } catch (OverlappingFileLockException e) {
            lock = null;
        }
        if (lock == null) {
            channel.close();
            throw new IOException(file.getParent() + ": another process is at work on this run");
        }
        return channel;
    }

    private static Map<String, String> read(Path run) throws IOException {
        try {
            return JSON.readValue(run.toFile(), new TypeReference<LinkedHashMap<String, String>>() {});
        } catch (JsonProcessingException e) {
            throw new IOException(run + ": is no run's description: " + e.getOriginalMessage(), e);
        }
    }

    private static void requireSame(Path path, Map<String, String> held, Map<String, String> wanted) {
        Differences.of(held, wanted).ifPresent(different -> {
            throw new IllegalArgumentException(path + " holds another run (" + different
                    + "): choose another --output-dir, or give the same options to go on with it");
        });
    }

    private static void requireOurs(Path path) throws IOException {
        if (!Files.exists(path) || Files.isRegularFile(path.resolve(RUN))) {
            return;
        }
        if (!Files.isDirectory(path)) {
            throw new IllegalArgumentException(path + " is no folder; choose another --output-dir");
        }
        try (Stream<Path> entries = Files.list(path)) {
            if (entries.anyMatch(entry -> !entry.getFileName().toString().startsWith("run."))) {
                throw new IllegalArgumentException(
                        path + " holds something that is no run of this program; choose another --output-dir");
            }
        }
    }

    public Path path() {
        return path;
    }

    /** What was asked for, by option. */
    public Map<String, String> identity() {
        return identity;
    }

    /** What computed the steps so far, one after the other; empty where nobody said so. */
    String computed() {
        return computed;
    }

    /**
     * Notes what computes the steps to come, on which the last digits of the result depend.
     *
     * @return what computed the last ones, if that was something else
     */
    public Optional<String> computes(String how) throws IOException {
        String before = computed;
        String last = before.substring(before.lastIndexOf(THEN) < 0 ? 0 : before.lastIndexOf(THEN) + THEN.length());
        if (last.equals(how)) {
            return Optional.empty();
        }
        computed = before.isEmpty() ? how : before + THEN + how;
        write();
        return Optional.of(last).filter(each -> !each.isEmpty());
    }

    /** Whether the run was begun by an earlier process. */
    public boolean isKnown() {
        return known;
    }

    Path metrics() {
        return path.resolve(METRICS);
    }

    Path report() {
        return path.resolve("report.html");
    }

    /** Lets another process have it. */
    @Override
    public void close() throws IOException {
        lock.close();
    }
}
