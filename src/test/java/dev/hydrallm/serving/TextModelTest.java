package dev.hydrallm.serving;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.engine.TinyPack;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextModelTest {
    @TempDir
    Path folder = Path.of("");

    @Test
    void aTreeAsksForNoMoreGuessesThanThereAreTokensAndNoMoreStepsThanThereAreHeads() {
        Architecture threeTokens = new Architecture(3, 16, 24, 1, 2, 2, 8, 1e-5, 10_000, 96, true);
        List<List<Integer>> asked = List.of(
                List.of(0), List.of(3), List.of(2), List.of(3, 0), List.of(2, 1), List.of(2, 3), List.of(2, 1, 0));
        try (PackedModel pack =
                TinyPack.write(folder, threeTokens, new DraftLayout(2, 1, 0, false), WeightFormat.INT8, 0.4)) {
            DraftTree tree = TextModel.treeOf(pack, Optional.of(asked));
            assertThat(tree.paths()).containsExactly(List.of(0), List.of(2), List.of(2, 1));
            assertThat(TextModel.treeOf(pack, Optional.empty()).width()).isLessThanOrEqualTo(3);
        }
    }
}
