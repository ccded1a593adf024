package dev.hydrallm.model;

import dev.hydrallm.natives.CachedPages;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Two ways to a file's bytes: through the kernel's page cache, and past it. For one thread. */
final class FileReads implements AutoCloseable {
    private final FileChannel cached;
    private final @Nullable FileChannel direct;

    /** The whole file, where it matters what the cache holds of it; looked at by the kernel only. */
    private final @Nullable MemorySegment mapped;

    private final DirectPace pace;

    private final Arena arena = Arena.ofConfined();
    private final MemorySegment notes = arena.allocate(CachedPages.notes(FileDigest.CHUNK));

    private FileReads(FileChannel cached, Path file, LoadOptions.DirectIo directIo, DirectPace pace)
            throws IOException {
        this.cached = cached;
        this.pace = pace;
        boolean auto = directIo == LoadOptions.DirectIo.AUTO;
        boolean wanted = auto ? LoadOptions.isLarge(cached.size()) : directIo == LoadOptions.DirectIo.ON;
        mapped = auto && wanted ? mapped(cached, arena) : null;
        direct = wanted && (mapped != null || !auto) ? direct(file) : null;
    }

    private static @Nullable MemorySegment mapped(FileChannel file, Arena arena) {
        try {
            return file.map(FileChannel.MapMode.READ_ONLY, 0, file.size(), arena);
        } catch (IOException e) {
            return null; // not in this file system, or no addresses are left: nobody can ask what the cache holds
        }
    }

    /** Opens a file. */
    @SuppressWarnings("MustBeClosedChecker")
    static FileReads open(Path file, LoadOptions.DirectIo directIo, DirectPace pace) throws IOException {
        FileChannel cached = FileChannel.open(file, StandardOpenOption.READ);
        try {
            return new FileReads(cached, file, directIo, pace);
        } catch (IOException | RuntimeException e) {
            cached.close();
            throw e;
        }
    }

    private static @Nullable FileChannel direct(Path file) {
        try {
            return FileChannel.open(file, StandardOpenOption.READ, direct());
        } catch (IOException | UnsupportedOperationException e) {
            return null; // this file system has none
        }
    }

    /** The JDK's own option, found by name because the compiler warns of every use and cannot be told not to. */
    private static OpenOption direct() {
        try {
            Class<?> options = Class.forName("com.sun.nio.file.ExtendedOpenOption");
            return (OpenOption) options.getField("DIRECT").get(null);
        } catch (ReflectiveOperationException e) {
            throw new UnsupportedOperationException(e);
        }
    }

    /** Bytes of the file. */
    long size() throws IOException {
        return cached.size();
    }

    /** Through the page cache. */
    FileChannel cached() {
        return cached;
    }

    /** Past the page cache, if these bytes are better read so. */
    Optional<FileChannel> direct(long from, long bytes) {
        if (direct == null || (mapped != null && isBetterCached(mapped.asSlice(from, bytes)))) {
            return Optional.empty();
        }
        return Optional.of(direct);
    }

    private boolean isBetterCached(MemorySegment part) {
        return !pace.pays() || CachedPages.hold(part, notes);
    }

    @Override
    public void close() throws IOException {
        arena.close();
        try (FileChannel _ = cached;
                FileChannel _ = direct) {
            // both, whatever happens to one
        }
    }
}
