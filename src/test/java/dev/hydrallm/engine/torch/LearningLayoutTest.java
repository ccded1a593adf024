package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.training.Learner.Parameter;
import java.util.List;
import org.junit.jupiter.api.Test;

class LearningLayoutTest {
    private static final Architecture TWO_LAYERS = new Architecture(11, 8, 4, 2, 2, 1, 4, 1e-5, 10_000, 32, false);

    @Test
    void parametersGoByLayerThenByHead() {
        List<String> names = new LearningLayout(TWO_LAYERS, new DraftLayout(2, 1, 1, false))
                .parameters().stream().map(Parameter::name).toList();
        assertThat(names)
                .hasSize(9 + 1 + 2 * 3)
                .startsWith("medusa_decoder_layers.0.input_layernorm.weight")
                .containsSubsequence(
                        "medusa_decoder_layers.0.mlp.down_proj.weight",
                        "medusa_rms_norm.weight",
                        "medusa_head.0.0.linear.weight",
                        "medusa_head.0.0.linear.bias",
                        "medusa_head.0.1.weight")
                .endsWith("medusa_head.1.1.weight");
    }

    /** Here, so that nothing of a device has been taken yet. */
    @Test
    void whatCannotLearnIsRefused() {
        assertThatThrownBy(() -> new LearningLayout(TWO_LAYERS, new DraftLayout(1, 1, 3, false)))
                .hasMessageContaining("3 decoder layers cannot be forked from a base of 2");
        assertThatThrownBy(() -> new LearningLayout(TWO_LAYERS, DraftLayout.NONE))
                .hasMessageContaining("nothing to learn without a head");
        assertThatThrownBy(() -> new LearningLayout(TWO_LAYERS, new DraftLayout(2, 0, 0, true)))
                .hasMessageContaining("nothing to learn");
    }
}
