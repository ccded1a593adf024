package dev.hydrallm.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import net.jqwik.api.lifecycle.AfterProperty;
import net.jqwik.api.lifecycle.BeforeProperty;

/** Gives each property a folder for its packs, as JUnit's {@code @TempDir} does for tests. */
abstract class PackFolder {
    private Path folder = Path.of("");

    Path folder() {
        return folder;
    }

    @BeforeProperty
    void makeFolder() throws IOException {
        folder = Files.createTempDirectory("packs");
    }

    @AfterProperty
    void deleteFolder() throws IOException {
        List<Path> all;
        try (Stream<Path> files = Files.walk(folder)) {
            all = files.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path file : all) {
            Files.delete(file);
        }
    }
}
