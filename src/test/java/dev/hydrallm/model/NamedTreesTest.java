package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.testing.Safetensors;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NamedTreesTest {
    @TempDir
    Path directory;

    @Test
    void theShippedTreesHaveTheirKnownShapes() {
        assertThat(NamedTrees.names()).containsExactlyInAnyOrder("mc_sim_7b_63", "mc_sim_7b_63_depth3");
        assertThat(pathsPerDepth(NamedTrees.byName("mc_sim_7b_63").orElseThrow()))
                .containsExactly(10, 28, 23, 2);
        assertThat(pathsPerDepth(NamedTrees.byName("mc_sim_7b_63_depth3").orElseThrow()))
                .containsExactly(10, 29, 24, 0);
        assertThat(NamedTrees.byName("other")).isEmpty();
    }

    @Test
    void theShippedTreesAreValid() {
        for (String name : NamedTrees.names()) {
            List<List<Integer>> tree = NamedTrees.byName(name).orElseThrow();
            assertThat(NamedTrees.validated(tree)).isEqualTo(tree);
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "1, 10", "2, 38", "3, 63", "4, 63", "5, 63"})
    void theDefaultTreeIsNeverDeeperThanTheHeads(int heads, int paths) {
        assertThat(NamedTrees.defaultFor(heads)).hasSize(paths).allMatch(path -> path.size() <= heads);
    }

    @Test
    void threeHeadsGetTheTreeMadeForThem() {
        assertThat(NamedTrees.defaultFor(3)).contains(List.of(1, 7), List.of(1, 1, 0));
        assertThat(NamedTrees.defaultFor(2)).doesNotContain(List.of(1, 7));
    }

    @Test
    void aUsersTreeIsRead() {
        assertThat(NamedTrees.read(file("[[0],[0,63],[1]]"))).containsExactly(List.of(0), List.of(0, 63), List.of(1));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{}                    | no list of paths",
                "[[0],[0]]             | the path [0] stands twice",
                "[[]]                  | 1 to 16 ranks",
                "[null]                | 1 to 16 ranks",
                "[[0,0]]               | the path [0, 0] lacks its parent [0]",
                "[[64]]                | between 0 and 63",
                "[[-1]]                | between 0 and 63",
                "[[null]]              | between 0 and 63",
                "[[0.5]]               | no list of paths",
                "[[\"0\"]]             | no list of paths",
                "[[0]] x               | no list of paths",
                "[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]] | 1 to 16 ranks",
            })
    void aTreeOutOfItsBoundsIsRefused(String json, String message) {
        assertThatThrownBy(() -> NamedTrees.read(file(json)))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(directory.toString())
                .hasMessageContaining(message)
                .message()
                .doesNotContain("\n");
    }

    @Test
    void aTreeOfTooManyPathsIsRefused() {
        String json = IntStream.range(0, 1025).mapToObj(i -> "[0]").collect(Collectors.joining(",", "[", "]"));
        assertThatThrownBy(() -> NamedTrees.read(file(json))).hasMessageContaining("at most 1024");
    }

    @Test
    void aMissingTreeFileIsRefused() {
        assertThatThrownBy(() -> NamedTrees.read(directory.resolve("none.json")))
                .isInstanceOf(ModelFormatException.class);
    }

    private Path file(String json) {
        return Safetensors.write(directory.resolve("tree.json"), json.getBytes(StandardCharsets.UTF_8));
    }

    private static List<Integer> pathsPerDepth(List<List<Integer>> tree) {
        return IntStream.rangeClosed(1, 4)
                .mapToObj(depth ->
                        (int) tree.stream().filter(path -> path.size() == depth).count())
                .toList();
    }
}
