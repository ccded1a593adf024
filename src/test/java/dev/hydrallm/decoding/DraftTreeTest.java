package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class DraftTreeTest {
    @Provide
    Arbitrary<DraftTree> trees() {
        return Trees.upTo(64, 5, 6);
    }

    @Test
    void nodesAreNumberedByDepthThenRanks() {
        DraftTree tree = DraftTree.of(List.of(List.of(1), List.of(0), List.of(1, 0), List.of(0, 2)));
        assertThat(tree.nodes()).isEqualTo(5);
        assertThat(List.of(tree.parent(0), tree.parent(1), tree.parent(2), tree.parent(3), tree.parent(4)))
                .containsExactly(-1, 0, 0, 1, 2);
        assertThat(List.of(tree.rank(1), tree.rank(2), tree.rank(3), tree.rank(4)))
                .containsExactly(0, 1, 2, 0);
        assertThat(tree.depth()).isEqualTo(2);
        assertThat(tree.width()).isEqualTo(3);
    }

    @Test
    void theRootAloneIsATree() {
        assertThat(DraftTree.ROOT_ONLY.nodes()).isEqualTo(1);
        assertThat(DraftTree.ROOT_ONLY.depth()).isZero();
        assertThat(DraftTree.ROOT_ONLY.width()).isZero();
    }

    @Test
    void brokenPathsAreRefused() {
        assertThatThrownBy(() -> DraftTree.of(List.of(List.of(0, 1))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("without its prefix [0]");
        assertThatThrownBy(() -> DraftTree.of(List.of(List.of()))).hasMessageContaining("empty path");
        assertThatThrownBy(() -> DraftTree.of(List.of(List.of(-1)))).hasMessageContaining("negative rank");
        assertThatThrownBy(() -> DraftTree.of(List.of(List.of(0), List.of(0)))).hasMessageContaining("listed twice");
    }

    @Property
    void aNodeSeesItselfAndItsAncestorsAndNothingElse(@ForAll("trees") DraftTree tree) {
        for (int node = 0; node < tree.nodes(); node++) {
            Set<Integer> line = new HashSet<>();
            for (int other = node; other >= 0; other = tree.parent(other)) {
                line.add(other);
            }
            assertThat(line).hasSize(tree.depth(node) + 1);
            for (int other = 0; other < tree.nodes(); other++) {
                assertThat(tree.sees(node, other)).isEqualTo(line.contains(other));
            }
        }
    }

    @Property
    void parentsStandBeforeTheirChildrenOneLevelUp(@ForAll("trees") DraftTree tree) {
        for (int node = 1; node < tree.nodes(); node++) {
            assertThat(tree.parent(node)).isLessThan(node);
            assertThat(tree.depth(node)).isEqualTo(tree.depth(tree.parent(node)) + 1);
        }
    }

    @Property
    void cutsAreTreesOfTheAskedSize(
            @ForAll("trees") DraftTree tree,
            @ForAll @IntRange(min = 1, max = 70) int nodes,
            @ForAll @IntRange(max = 6) int depth) {
        assertThat(tree.first(nodes).nodes()).isEqualTo(Math.min(nodes, tree.nodes()));
        assertThat(tree.paths()).containsAll(tree.first(nodes).paths());
        assertThat(tree.withinDepth(depth).depth()).isEqualTo(Math.min(depth, tree.depth()));
        assertThat(tree.paths()).containsAll(tree.withinDepth(depth).paths());
    }
}
