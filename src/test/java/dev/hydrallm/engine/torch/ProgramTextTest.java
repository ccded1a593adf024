package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.engine.Shape;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import org.junit.jupiter.api.Test;

/** The program's text for models of several families. */
class ProgramTextTest {
    @Test
    void aModelWithoutAFamilysPartsRunsNoneOfTheirOperators() {
        Architecture plain = Shape.all().getFirst().architecture();
        DraftLayout forked = new DraftLayout(3, 1, 1, false);
        String text =
                ProgramText.of(plain, forked, Arithmetic.CPU_SINGLE, RmsNorm.SEPARATE, ActivationRange.FULL, "cpu");
        assertThat(text)
                .doesNotContain("@", "narrow", "sight", "sizes")
                .contains("norms[2 * i]", "norms[2 * i + 1]", "counts, wide, factors)");
        String all = ProgramText.of(
                Shape.all().getLast().architecture(),
                forked,
                Arithmetic.CPU_SINGLE,
                RmsNorm.SEPARATE,
                ActivationRange.FULL,
                "cpu");
        assertThat(all).doesNotContain("@").contains("narrow", "sight", "sizes", "norms[5 * i + 4]");
    }
}
