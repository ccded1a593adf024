package dev.hydrallm.serving;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.checkpoint.RandomModel;
import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DeviceMemoryException;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.engine.ModelEngine;
import dev.hydrallm.engine.torch.Gpu;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.prompt.TextAssembler;
import dev.hydrallm.prompt.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A GPU without room for one request has room for the others. */
@Tag("gpu")
class GpuMemoryTest {
    /** Logits of a whole tree are 32 MiB; sorting them to cut the distribution takes several times as much. */
    private static final Architecture WIDE = new Architecture(1 << 18, 64, 128, 2, 2, 2, 32, 1e-5, 10_000, 256, true);

    private static final long LEFT = 40L << 20;

    private static final DraftTree TREE =
            DraftTree.of(NamedTrees.byName("mc_sim_7b_63_depth3").orElseThrow());

    @TempDir
    Path folder;

    @Test
    void oneRequestThatFindsNoMemoryLeavesTheOthersAlive() throws Exception {
        EngineOptions options = Gpu.options(EngineOptions.DEFAULT).withSlots(2);
        write();
        try (PackedModel pack = PackedModel.open(folder.resolve("pack"));
                Tokenizer tokenizer = Tokenizer.load(pack.tokenizerFile(), 1, List.of());
                DecodeLoop loop = new DecodeLoop(() -> ModelEngine.load(pack, options), 8)) {
            loop.limits().join();
            AcceptanceRule cut = new AcceptanceRule.Sampled(1, 0, 0.9, 0, 7);
            assertThat(reason(submit(loop, tokenizer, new AcceptanceRule.Greedy(), 8)))
                    .isEqualTo(FinishReason.LENGTH);
            try (AutoCloseable taken = Gpu.takeAllBut(LEFT)) {
                assertThat(taken).isNotNull();
                Generation modest = submit(loop, tokenizer, new AcceptanceRule.Greedy(), 150);
                Generation greedy = submit(loop, tokenizer, cut, 150);
                assertThatThrownBy(() -> greedy.result().join())
                        .hasCauseInstanceOf(DeviceMemoryException.class)
                        .hasMessageContaining("cuda:0 has not enough memory for this request");
                assertThat(reason(modest)).isEqualTo(FinishReason.LENGTH);
            }
            assertThat(reason(submit(loop, tokenizer, cut, 20))).isEqualTo(FinishReason.LENGTH);
        }
    }

    private void write() throws IOException {
        new RandomModel(
                        "wide",
                        WIDE,
                        new DraftLayout(3, 1, 0, true),
                        Quantization.of(dev.hydrallm.model.WeightFormat.F16),
                        0)
                .write(folder.resolve("pack"), (done, total) -> {});
    }

    private static Generation submit(DecodeLoop loop, Tokenizer tokenizer, AcceptanceRule rule, int tokens) {
        GenerationRequest request = new GenerationRequest(
                new int[] {1, 2, 3},
                rule,
                Speculation.whole(TREE),
                new StopRules(Set.of(), tokens, StopRules.UNLIMITED),
                List.of());
        Generation generation =
                new Generation(request, GenerationListener.NONE, new TextAssembler(tokenizer, List.of()), loop);
        loop.submit(generation);
        return generation;
    }

    private static FinishReason reason(Generation generation) {
        return generation.result().join().finishReason();
    }
}
