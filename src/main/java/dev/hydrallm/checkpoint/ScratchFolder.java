package dev.hydrallm.checkpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A folder that is deleted with all that is in it: when it is closed, and when a signal ends the process before. */
public final class ScratchFolder implements AutoCloseable {
    private final Path path;
    // A signal ends the process without unwinding anything.
    private final Thread cleaner;

    private ScratchFolder(Path path) {
        this.path = path;
        this.cleaner = new Thread(() -> delete(path));
        Runtime.getRuntime().addShutdownHook(cleaner);
    }

    /**
     * Makes one, in a folder that exists.
     *
     * @throws IOException also when there is something of that name
     */
    public static ScratchFolder create(Path path) throws IOException {
        return new ScratchFolder(Files.createDirectory(path));
    }

    /** Where it is. */
    public Path path() {
        return path;
    }

    /** Deletes it, unless it was moved away. */
    @Override
    public void close() {
        try {
            delete(path);
        } finally {
            removeCleaner();
        }
    }

    private void removeCleaner() {
        try {
            Runtime.getRuntime().removeShutdownHook(cleaner);
        } catch (IllegalStateException e) {
            // The process is ending: the hook runs, and finds nothing left to do.
        }
    }

    /** Deletes a folder with all that is in it, if it is there. */
    static void delete(Path directory) {
        if (!Files.exists(directory)) {
            return;
        }
        try (var entries = Files.walk(directory)) {
            for (Path path : entries.toList().reversed()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
