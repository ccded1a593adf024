package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A pack whose tree is replaced is a pack with another tree and nothing else. */
class PackTreeTest {
    private static final List<List<Integer>> TREE = List.of(List.of(0), List.of(2), List.of(0, 1));

    @TempDir
    Path directory;

    private Path pack() throws IOException {
        return PackFixture.write(directory.resolve("pack"), tensors -> tensors);
    }

    @Test
    void theTreeIsReplacedAndAllElseVerifies() throws IOException {
        Path pack = pack();
        Manifest before = Manifest.read(pack);
        before.withTree(TREE).replace(pack);
        try (PackedModel opened = PackedModel.open(pack)) {
            assertThat(opened.manifest().tree()).isEqualTo(TREE);
            assertThat(opened.manifest().files()).isEqualTo(before.files());
            assertThat(opened.manifest()).isEqualTo(before.withTree(TREE));
        }
        try (Stream<Path> files = Files.list(pack)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrder(Manifest.FILE, Manifest.WEIGHTS_FILE, Manifest.TOKENIZER_FILE);
        }
    }

    @Test
    void aTreeThatIsAlteredByHandIsNoticed() throws IOException {
        Path pack = pack();
        Manifest.read(pack).withTree(TREE).replace(pack);
        Path file = pack.resolve(Manifest.FILE);
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        int tree = text.indexOf("\"tree\"");
        int rank = text.indexOf('2', tree);
        Files.writeString(file, text.substring(0, rank) + "1" + text.substring(rank + 1), StandardCharsets.ISO_8859_1);
        assertThatThrownBy(() -> PackedModel.open(pack))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining("damaged or altered");
    }

    @Test
    void weightsThatAreAlteredAreNoticedBehindAnotherTreeToo() throws IOException {
        Path pack = pack();
        Manifest.read(pack).withTree(TREE).replace(pack);
        byte[] weights = Files.readAllBytes(pack.resolve(Manifest.WEIGHTS_FILE));
        weights[weights.length - 1] ^= 1;
        Files.write(pack.resolve(Manifest.WEIGHTS_FILE), weights);
        assertThatThrownBy(() -> PackedModel.open(pack).close()).isInstanceOf(ModelFormatException.class);
    }

    @Test
    void aTreeThatTheModelCannotFillIsRefused() throws IOException {
        Manifest manifest = Manifest.read(pack());
        assertThatThrownBy(() -> manifest.withTree(List.of(List.of(0), List.of(0, 0), List.of(0, 0, 0))))
                .hasMessageContaining("a tree of depth 3 for a model of 2 draft heads");
        assertThatThrownBy(() -> manifest.withTree(List.of(List.of(0, 0)))).hasMessageContaining("lacks its parent");
        assertThatThrownBy(() -> manifest.withTree(List.of(List.of(64)))).hasMessageContaining("between 0 and 63");
    }
}
