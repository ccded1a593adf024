package dev.hydrallm.training.data;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** Finds the files that are to be read. */
public final class Inputs {
    /** What a file is read as. */
    public enum Format {
        /** By its name: .json, .jsonl and .ndjson are JSON; all else, and whatever is found in a folder, is text. */
        AUTO,
        JSON,
        TEXT
    }

    /** A file and what to read it as. */
    public record Source(Path file, Format format, long bytes) {}

    private Inputs() {}

    /**
     * The files, and those in the folders, in a fixed order. Hidden ones in folders are left out.
     *
     * @param include glob of the files taken from folders, by name, or by path within the folder if it has a slash
     * @throws IllegalArgumentException if the glob is none, or nothing is found
     */
    public static List<Source> find(List<Path> inputs, String include, Format format) throws IOException {
        PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + include);
        List<Source> found = new ArrayList<>();
        for (Path input : inputs) {
            if (Files.isDirectory(input)) {
                List<Path> inside;
                try (Stream<Path> files = Files.walk(input)) {
                    inside = files.filter(Files::isRegularFile)
                            .filter(file -> !hidden(input.relativize(file)))
                            .filter(file -> matcher.matches(
                                    include.contains("/") ? input.relativize(file) : file.getFileName()))
                            .sorted()
                            .toList();
                }
                for (Path file : inside) {
                    found.add(source(file, format == Format.AUTO ? Format.TEXT : format));
                }
                if (inside.isEmpty()) {
                    throw new IllegalArgumentException(input + " holds no file that matches " + include);
                }
            } else if (Files.exists(input)) {
                found.add(source(input, format == Format.AUTO ? byName(input) : format));
            } else {
                throw new NoSuchFileException(input.toString());
            }
        }
        return found;
    }

    /**
     * Refuses to write over what is read.
     *
     * @throws IllegalArgumentException naming the file that would be
     */
    public static void requireApart(List<Source> sources, List<Path> outputs) throws IOException {
        for (Path output : outputs) {
            for (Source source : sources) {
                if (Files.exists(output) && Files.isSameFile(output, source.file())) {
                    throw new IllegalArgumentException(
                            output + " is read, and would be written over: choose another --output");
                }
            }
        }
    }

    private static boolean hidden(Path inside) {
        for (Path name : inside) {
            if (name.toString().startsWith(".")) {
                return true;
            }
        }
        return false;
    }

    private static Source source(Path file, Format format) throws IOException {
        return new Source(file, format, Files.size(file));
    }

    private static Format byName(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return Stream.of(".json", ".jsonl", ".ndjson").anyMatch(name::endsWith) ? Format.JSON : Format.TEXT;
    }
}
