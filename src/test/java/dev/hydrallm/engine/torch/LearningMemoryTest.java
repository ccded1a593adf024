package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.torch.LearnerOptions.Precision;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LearningMemoryTest {
    private static final Architecture SEVEN_BILLION =
            new Architecture(32_000, 4096, 11_008, 32, 32, 32, 128, 1e-5, 10_000, 4096, false);
    private static final MemoryPlan BASE = new MemoryPlan(13_000_000_000L, 0, 1, 4096, 1_000_000_000L);

    private static LearningMemory of(DraftLayout draft, Precision precision) {
        return LearningMemory.of(
                BASE,
                SEVEN_BILLION,
                draft,
                new LearningLayout(SEVEN_BILLION, draft).parameters(),
                LearnerOptions.on(Device.CPU).in(precision),
                Arithmetic.GPU_HALF);
    }

    @Test
    void parametersAreKeptFourTimesAndComputedWithOnce() {
        // 2 layers of 202.4M numbers, a norm, 3 heads of 148M: the sizes of the original's 7B run.
        long layer = 4L * 4096 * 4096 + 3L * 4096 * 11_008 + 2 * 4096;
        long head = 4096L * 4096 + 4096 + 32_000L * 4096;
        long numbers = 2 * layer + 4096 + 3 * head;
        LearningMemory coarse = of(new DraftLayout(3, 1, 2, false), Precision.BFLOAT16);
        assertThat(coarse.parameters()).isEqualTo(numbers * (4 * 4 + 2));
        assertThat(of(new DraftLayout(3, 1, 2, false), Precision.SINGLE).parameters())
                .isEqualTo(numbers * 16);
        assertThat(coarse.base()).isEqualTo(14_000_000_000L);
        // Keys and values of 8,192 tokens in halves.
        assertThat(coarse.reading()).isEqualTo(8192L * 2 * 32 * 4096 * 2);
        long shared = of(new DraftLayout(3, 1, 2, true), Precision.BFLOAT16).reading();
        assertThat(shared - coarse.reading()).isEqualTo(32_000L * 4096 * 6);
        // The embedding as numbers, where it is not the language-model head that is there already.
        DraftLayout reading = new DraftLayout(3, 1, 2, false, Set.of(DraftPart.NEXT_TOKEN));
        assertThat(of(reading, Precision.BFLOAT16).reading() - coarse.reading()).isEqualTo(32_000L * 4096 * 4);
    }

    @Test
    void whatDoesNotFitIsRefusedWithItsSizes() {
        LearningMemory memory = of(new DraftLayout(3, 1, 2, false), Precision.BFLOAT16);
        assertThatCode(() -> memory.check("cuda:0", new Cuda.Memory(memory.total(), 80_000_000_000L)))
                .doesNotThrowAnyException();
        assertThatThrownBy(() -> memory.check("cuda:0", new Cuda.Memory(memory.total() - 1, 40_000_000_000L)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("cuda:0 has")
                .hasMessageContaining("the base 14.00 GB")
                .hasMessageContaining("fewer forked layers");
    }
}
