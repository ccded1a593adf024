package dev.hydrallm.engine;

import static dev.hydrallm.model.AttentionPart.O_BIAS;
import static dev.hydrallm.model.AttentionPart.QKV_BIAS;
import static dev.hydrallm.model.AttentionPart.QK_NORM;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.AttentionPart;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.RopeScaling;
import dev.hydrallm.model.SlidingWindow;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What shapes a base and its heads can have. */
public record Shape(Architecture architecture, DraftLayout draft) {
    /** Llamas of several shapes, then what other families add, alone and together. */
    public static List<Shape> all() {
        Architecture plain = new Architecture(19, 16, 24, 3, 2, 2, 8, 1e-5, 10_000, 96, true);
        Architecture grouped = new Architecture(23, 24, 16, 2, 6, 2, 4, 1e-6, 500_000, 96, false);
        Architecture oneKeyHead = new Architecture(17, 16, 40, 4, 4, 1, 6, 1e-5, 10_000, 96, true);
        // A norm's epsilon large enough to be seen.
        Architecture rough = new Architecture(23, 24, 16, 2, 6, 2, 4, 0.05, 500_000, 96, false);
        RopeScaling yarn = new RopeScaling.Yarn(4, 1.14, 32, 1, 24);
        SlidingWindow everyLayer = new SlidingWindow(6, 0);
        return List.of(
                new Shape(plain, new DraftLayout(3, 1, 0, false)),
                new Shape(plain, new DraftLayout(3, 2, 2, false)),
                new Shape(grouped, new DraftLayout(3, 1, 1, false)),
                new Shape(grouped, new DraftLayout(4, 3, 2, true)),
                new Shape(oneKeyHead, new DraftLayout(3, 1, 3, true)),
                // Draft layers that read the next token, too.
                new Shape(grouped, new DraftLayout(3, 1, 0, false, Set.of(DraftPart.NEXT_TOKEN))),
                new Shape(plain, new DraftLayout(3, 2, 2, true, Set.of(DraftPart.NEXT_TOKEN))),
                // Qwen2, Qwen3, Llama with biases, Mistral.
                new Shape(with(grouped, QKV_BIAS), new DraftLayout(3, 1, 1, false)),
                new Shape(with(rough, QK_NORM), new DraftLayout(3, 1, 1, false)),
                new Shape(with(plain, QKV_BIAS, O_BIAS), new DraftLayout(3, 2, 2, false)),
                new Shape(with(grouped, everyLayer, null), new DraftLayout(3, 1, 1, false)),
                new Shape(with(plain, everyLayer, null), new DraftLayout(3, 1, 0, false)),
                // Windows that begin before, at and behind the layers that were forked.
                new Shape(with(oneKeyHead, new SlidingWindow(5, 1), null), new DraftLayout(3, 1, 1, true)),
                new Shape(with(oneKeyHead, new SlidingWindow(5, 2), null), new DraftLayout(3, 1, 2, true)),
                new Shape(with(oneKeyHead, new SlidingWindow(1, 3), null), new DraftLayout(3, 1, 3, true)),
                new Shape(with(plain, null, new RopeScaling.Linear(4)), new DraftLayout(3, 1, 1, false)),
                new Shape(with(grouped, null, new RopeScaling.Dynamic(4, 24)), new DraftLayout(3, 1, 1, false)),
                new Shape(with(plain, null, new RopeScaling.Llama3(8, 1, 4, 24)), new DraftLayout(3, 1, 1, false)),
                new Shape(with(grouped, null, yarn), new DraftLayout(3, 1, 1, false)),
                new Shape(
                        with(with(grouped, new SlidingWindow(7, 1), yarn), O_BIAS, QK_NORM, QKV_BIAS),
                        new DraftLayout(3, 2, 2, true)));
    }

    static Architecture with(Architecture shape, AttentionPart... parts) {
        return with(shape, Set.of(parts), shape.slidingWindow(), shape.ropeScaling());
    }

    static Architecture with(Architecture shape, @Nullable SlidingWindow window, @Nullable RopeScaling scaling) {
        return with(shape, shape.attentionParts(), window, scaling);
    }

    private static Architecture with(
            Architecture shape,
            Set<AttentionPart> parts,
            @Nullable SlidingWindow window,
            @Nullable RopeScaling scaling) {
        return new Architecture(
                shape.vocabSize(),
                shape.hiddenSize(),
                shape.intermediateSize(),
                shape.layers(),
                shape.heads(),
                shape.kvHeads(),
                shape.headDim(),
                shape.normEpsilon(),
                shape.ropeTheta(),
                shape.contextLength(),
                shape.tiedEmbeddings(),
                parts,
                window,
                scaling);
    }
}
