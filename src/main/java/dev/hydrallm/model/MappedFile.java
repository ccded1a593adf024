package dev.hydrallm.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.function.Function;

/**
 * A file mapped into memory, read-only. Thread-safe; after {@link #close} its bytes can no longer be read.
 *
 * @param path as given to {@link #open}
 * @param bytes all of them
 */
public record MappedFile(Path path, Arena arena, MemorySegment bytes) implements AutoCloseable {
    /**
     * Maps a file and hands it to a parser, which owns it unless it throws.
     *
     * @throws ModelFormatException when the file is missing or unreadable, or the parser's own
     */
    @SuppressWarnings("MustBeClosedChecker") // who parsed it owns the arena and closes it
    public static <T> T open(Path path, Function<MappedFile, T> parser) {
        if (!Files.isRegularFile(path)) {
            throw new ModelFormatException(path + ": no such file");
        }
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            MemorySegment bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            return parser.apply(new MappedFile(path, arena, bytes));
        } catch (IOException e) {
            arena.close();
            throw new ModelFormatException(path + ": cannot be read: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    @Override
    public void close() {
        arena.close();
    }
}
