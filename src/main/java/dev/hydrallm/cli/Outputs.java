package dev.hydrallm.cli;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Files that a long measurement ends in. */
final class Outputs {
    private Outputs() {}

    /** Makes the folders above a file, if there is to be one: what is wrong with its place is said before anything is measured. */
    static void prepare(@Nullable Path file) throws IOException {
        if (file == null) {
            return;
        }
        if (Files.isDirectory(file)) {
            throw new IllegalArgumentException(file + " is a directory, not a file to write");
        }
        Path folder = folder(file);
        Files.createDirectories(folder);
        if (!Files.isWritable(folder)) {
            throw new AccessDeniedException(folder.toString());
        }
    }

    /** Writes a file; one that was there is replaced when the new one is whole. */
    static void write(Path file, String content) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            Files.writeString(file, content); // a terminal or a pipe is written to, not replaced
            return;
        }
        Path half = folder(file)
                .resolve(
                        "." + file.getFileName() + "." + ProcessHandle.current().pid());
        try {
            Files.writeString(half, content);
            Files.move(half, file, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(half);
        }
    }

    private static Path folder(Path file) {
        return Objects.requireNonNull(file.toAbsolutePath().getParent());
    }
}
