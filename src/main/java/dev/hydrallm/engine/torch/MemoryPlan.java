package dev.hydrallm.engine.torch;

import dev.hydrallm.engine.DecoderProgram;
import dev.hydrallm.engine.EngineOptions;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.WeightFormat;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntPredicate;

/**
 * The bytes of a device's memory that a model will take.
 *
 * @param weights of all matrices and vectors
 * @param slot of one sequence's keys, values and waiting rows
 * @param workspace of the largest forward's intermediate results
 */
record MemoryPlan(long weights, long slot, int slots, int context, long workspace) {
    /** What libtorch's libraries take for themselves, and blocks that are larger than what was asked for. */
    private static final long MARGIN = 384L << 20;

    /** Results that stand beside each other in a layer, of the widest kind. */
    private static final int LIVE_RESULTS = 4;

    /** Logits as they come, as single numbers, probabilities, sorted ones with their places, and sums. */
    private static final int BYTES_OF_A_LOGIT = 40;

    /** Fewer are no use to suggest. */
    private static final int SHORTEST_CONTEXT = 256;

    private static final int CONTEXT_STEP = 256;

    /** What is to be held. */
    record Model(Architecture architecture, DraftLayout draft, Map<TensorGroup, WeightFormat> formats) {
        static Model of(PackedModel model) {
            return new Model(
                    model.architecture(), model.draft(), model.manifest().quantization());
        }
    }

    static MemoryPlan of(Model model, EngineOptions options, int context, Arithmetic arithmetic) {
        Architecture shape = model.architecture();
        long cacheRows = context + (long) options.maxNodes();
        long layers = (long) shape.layers() + model.draft().forkedLayers();
        int width = arithmetic.cacheType().getNumOfBytes();
        long slot = 2 * layers * shape.kvHeads() * shape.headDim() * cacheRows * width
                + (long) DecoderProgram.UNDRAFTED_ROWS * shape.hiddenSize() * Float.BYTES;
        return new MemoryPlan(
                weights(model, arithmetic),
                slot,
                options.slots(),
                context,
                workspace(shape, options, cacheRows, arithmetic));
    }

    private static long weights(Model model, Arithmetic arithmetic) {
        Map<TensorGroup, WeightFormat> formats = model.formats();
        long bytes = 0;
        for (PackLayout.Part part : PackLayout.parts(model.architecture(), model.draft())) {
            bytes += switch (part) {
                case PackLayout.Vector vector -> vector.length() * Float.BYTES;
                case PackLayout.Matrix matrix ->
                    arithmetic.bytes(matrix) + lookedUpAsNumbers(matrix, formats, arithmetic);
            };
        }
        return bytes;
    }

    /** An embedding of numbers beside codes stands there as numbers, too. */
    private static long lookedUpAsNumbers(
            PackLayout.Matrix matrix, Map<TensorGroup, WeightFormat> formats, Arithmetic arithmetic) {
        return arithmetic == Arithmetic.GPU_INT8
                        && matrix.group() == TensorGroup.EMBEDDING
                        && Objects.requireNonNull(formats.get(TensorGroup.EMBEDDING)) instanceof WeightFormat.Floats
                ? matrix.rows() * matrix.columns() * Float.BYTES
                : 0;
    }

    private static long workspace(Architecture shape, EngineOptions options, long keys, Arithmetic arithmetic) {
        long rows = Math.max(options.maxNodes(), options.prefillChunk());
        long widest = Math.max(shape.qkvRows(), 2L * shape.intermediateSize());
        long layer = LIVE_RESULTS * rows * widest * Float.BYTES;
        int score = arithmetic.maskType().getNumOfBytes();
        long masks = 2 * rows * (shape.heads() / shape.kvHeads()) * keys * score;
        // Scores and what softmax makes of them; keys and values in double where the cache holds halves.
        long widened = score == arithmetic.cacheType().getNumOfBytes()
                ? 0
                : 2L * shape.kvHeads() * shape.headDim() * keys * score;
        long attention = 2 * rows * shape.heads() * keys * score + widened;
        long rotary = keys * shape.headDim() * Float.BYTES;
        long logits = (long) options.maxNodes() * shape.vocabSize() * BYTES_OF_A_LOGIT;
        return MARGIN + masks + rotary + Math.max(layer + attention, logits);
    }

    long total() {
        return weights + slots * slot + workspace;
    }

    /**
     * Refuses what will not fit.
     *
     * @throws IllegalArgumentException naming the sizes and what would fit
     */
    static void check(Model model, EngineOptions options, int context, Arithmetic arithmetic, Cuda.Memory memory) {
        MemoryPlan plan = of(model, options, context, arithmetic);
        if (plan.total() > memory.free()) {
            throw new IllegalArgumentException(
                    plan.shortage(options, memory) + remedies(model, options, context, arithmetic, memory.free()));
        }
    }

    private String shortage(EngineOptions options, Cuda.Memory memory) {
        return "%s has %s free of %s, and %s are needed: weights %s, %d %s of %,d tokens %s, room to compute %s"
                .formatted(
                        options.device(),
                        gigabytes(memory.free()),
                        gigabytes(memory.total()),
                        gigabytes(total()),
                        gigabytes(weights),
                        slots,
                        slots == 1 ? "slot" : "slots",
                        context,
                        gigabytes(slots * slot),
                        gigabytes(workspace));
    }

    private static String remedies(Model model, EngineOptions options, int context, Arithmetic arithmetic, long free) {
        List<String> fitting = new ArrayList<>();
        int slots = most(
                options.slots(),
                1,
                count ->
                        of(model, options.withSlots(count), context, arithmetic).total() <= free);
        if (slots > 0) {
            fitting.add("--slots " + slots);
        }
        int shorter = most(
                        context / CONTEXT_STEP,
                        SHORTEST_CONTEXT / CONTEXT_STEP,
                        steps -> of(model, options, steps * CONTEXT_STEP, arithmetic)
                                        .total()
                                <= free)
                * CONTEXT_STEP;
        if (shorter > 0) {
            fitting.add("--context " + shorter);
        }
        if (arithmetic != Arithmetic.GPU_INT8
                && of(model, options, context, Arithmetic.GPU_INT8).total() <= free) {
            fitting.add("weights of 8 bits (--load-in-8bit with a checkpoint)");
        }
        return fitting.isEmpty()
                ? ": take a smaller model or a larger GPU"
                : ": it fits with " + String.join(", or ", fitting);
    }

    /** The largest number from {@code most} down to {@code least} that is accepted, as all below it are; else 0. */
    private static int most(int most, int least, IntPredicate accepted) {
        int low = least - 1;
        int high = most;
        while (low < high) {
            int middle = (low + high + 1) >>> 1;
            if (accepted.test(middle)) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low >= least ? low : 0;
    }

    private static String gigabytes(long bytes) {
        return String.format(Locale.ROOT, "%.2f GB", bytes / 1e9);
    }
}
