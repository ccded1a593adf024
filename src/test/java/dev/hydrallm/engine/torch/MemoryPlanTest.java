package dev.hydrallm.engine.torch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.engine.Device;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** What a model takes of a GPU's memory, and what is said when it does not fit. */
class MemoryPlanTest {
    /** Vicuna's 7B with three heads and two forked layers. */
    private static final Architecture SHAPE =
            new Architecture(32_000, 4096, 11_008, 32, 32, 32, 128, 1e-5, 10_000, 2048, false);

    private static final DraftLayout DRAFT = new DraftLayout(3, 1, 2, false);
    private static final EngineOptions OPTIONS =
            EngineOptions.DEFAULT.on(Device.Cuda.FIRST).withSlots(16);
    private static final int CONTEXT = 2048;

    private static MemoryPlan.Model model(WeightFormat format) {
        Map<TensorGroup, WeightFormat> formats =
                PackLayout.groups(SHAPE, DRAFT).stream().collect(Collectors.toMap(group -> group, group -> format));
        return new MemoryPlan.Model(SHAPE, DRAFT, formats);
    }

    @Test
    void weightsAndCachesAreWhatTheirShapesSay() {
        MemoryPlan half = MemoryPlan.of(model(WeightFormat.F16), OPTIONS, CONTEXT, Arithmetic.GPU_HALF);
        // 7.58 billion weights; a row of the cache is 34 layers' keys and values of 4,096 halves.
        assertThat(half.weights()).isBetween(15_170_000_000L, 15_180_000_000L);
        long rows = (long) CONTEXT + OPTIONS.maxNodes();
        assertThat(half.slot()).isEqualTo(rows * 34 * 2 * 4096 * 2 + 128L * 4096 * 4);
        assertThat(half.total()).isEqualTo(half.weights() + 16 * half.slot() + half.workspace());
        MemoryPlan eight = MemoryPlan.of(model(WeightFormat.INT8), OPTIONS, CONTEXT, Arithmetic.GPU_INT8);
        assertThat(eight.weights()).isBetween(7_590_000_000L, 7_610_000_000L);
        assertThat(eight.slot()).isEqualTo(half.slot());
    }

    @Test
    void aLongContextNeedsRoomForItsScores() {
        MemoryPlan half = MemoryPlan.of(model(WeightFormat.F16), OPTIONS, 32_768, Arithmetic.GPU_HALF);
        long keys = 32_768L + OPTIONS.maxNodes();
        assertThat(half.workspace()).isGreaterThan(2L * OPTIONS.maxNodes() * 32 * keys * 2);
    }

    @Test
    void anEmbeddingOfNumbersBesideCodesStandsThereTwiceAtMost() {
        MemoryPlan.Model codes = model(WeightFormat.INT8);
        Map<TensorGroup, WeightFormat> mixed = new java.util.HashMap<>(codes.formats());
        mixed.put(TensorGroup.EMBEDDING, new WeightFormat.Floats(DType.F16));
        MemoryPlan.Model numbers = new MemoryPlan.Model(SHAPE, DRAFT, mixed);
        assertThat(MemoryPlan.of(numbers, OPTIONS, CONTEXT, Arithmetic.GPU_INT8).weights()
                        - MemoryPlan.of(codes, OPTIONS, CONTEXT, Arithmetic.GPU_INT8)
                                .weights())
                .isEqualTo(32_000L * 4096 * 4);
    }

    @Test
    void whatDoesNotFitIsRefusedWithWhatWould() {
        MemoryPlan.Model model = model(WeightFormat.F16);
        Cuda.Memory memory = new Cuda.Memory(24_000_000_000L, 25_000_000_000L);
        assertThatThrownBy(() -> MemoryPlan.check(model, OPTIONS, CONTEXT, Arithmetic.GPU_HALF, memory))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("cuda:0 has 24.00 GB free of 25.00 GB, and ")
                .hasMessageContaining("weights 15.17 GB, 16 slots of 2,048 tokens 20.57 GB, room to compute 0.")
                .hasMessageMatching(".*: it fits with --slots [0-9]+, or --context [0-9]+$")
                .satisfies(refusal -> {
                    // What is said to fit does, and a step more does not.
                    Matcher said = Pattern.compile("--slots ([0-9]+), or --context ([0-9]+)")
                            .matcher(String.valueOf(refusal.getMessage()));
                    assertThat(said.find()).isTrue();
                    int slots = Integer.parseInt(said.group(1));
                    int context = Integer.parseInt(said.group(2));
                    assertThatCode(() -> check(model, OPTIONS.withSlots(slots), CONTEXT, memory))
                            .doesNotThrowAnyException();
                    assertThatCode(() -> check(model, OPTIONS, context, memory)).doesNotThrowAnyException();
                    assertThatThrownBy(() -> check(model, OPTIONS.withSlots(slots + 1), CONTEXT, memory))
                            .isNotNull();
                    assertThatThrownBy(() -> check(model, OPTIONS, context + 256, memory))
                            .isNotNull();
                });
    }

    @Test
    void eightBitsAreNamedWhereTheyFitAndALargerGpuWhereNothingDoes() {
        MemoryPlan.Model model = model(WeightFormat.F16);
        EngineOptions one = OPTIONS.withSlots(1);
        assertThatThrownBy(() -> check(model, one, CONTEXT, new Cuda.Memory(12_000_000_000L, 12_000_000_000L)))
                .hasMessageEndingWith(": it fits with weights of 8 bits (--load-in-8bit with a checkpoint)");
        assertThatThrownBy(() -> check(model, one, CONTEXT, new Cuda.Memory(4_000_000_000L, 12_000_000_000L)))
                .hasMessageEndingWith(": take a smaller model or a larger GPU");
    }

    private static void check(MemoryPlan.Model model, EngineOptions options, int context, Cuda.Memory memory) {
        MemoryPlan.check(model, options, context, Arithmetic.GPU_HALF, memory);
    }
}
