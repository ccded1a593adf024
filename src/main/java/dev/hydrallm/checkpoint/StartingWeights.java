package dev.hydrallm.checkpoint;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.ModelFormatException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What draft heads begin to learn from, by the names that a model with heads beside its base gives their tensors. Of new heads: forked
 * layer i is the base's layer n - N + i and the norm its final norm, as the checkpoint has them before any quantization; a
 * residual block's matrix is 0 and its bias uniform within ±1/√hidden, as {@code torch.nn.Linear} begins; the last matrix is
 * the base's language-model head; what reads the next token is 0. Of heads that exist: they.
 */
public final class StartingWeights implements AutoCloseable {
    private static final Pattern BLOCK = Pattern.compile("medusa_head\\.(\\d+)\\.(\\d+)\\.linear\\.(weight|bias)");
    private static final Pattern LAST = Pattern.compile("medusa_head\\.\\d+\\.\\d+\\.weight");
    private static final Pattern LAYER = Pattern.compile("medusa_decoder_layers\\.(\\d+)\\.(.+)");

    private final Checkpoint checkpoint;
    private final DraftLayout layout;
    /** Empty for new ones. */
    private final Map<String, SourceTensor> heads;

    private final long seed;

    private StartingWeights(Checkpoint checkpoint, DraftLayout layout, Map<String, SourceTensor> heads, long seed) {
        this.checkpoint = checkpoint;
        this.layout = layout;
        this.heads = heads;
        this.seed = seed;
    }

    /**
     * Those of new heads.
     *
     * @param base a directory of a model or a GGUF file
     * @param seed of the biases
     * @throws ModelFormatException when it is no model, or has fewer layers than are to be forked
     */
    public static StartingWeights forked(Path base, DraftLayout layout, long seed, Consumer<String> warnings) {
        if (TensorSource.hasHeads(base)) {
            throw new ModelFormatException(base + ": holds draft heads, not the base that new ones are trained for");
        }
        Checkpoint checkpoint = Checkpoint.open(base, Optional.empty(), warnings);
        int layers = checkpoint.config().architecture().layers();
        if (layout.forkedLayers() > layers) {
            checkpoint.close();
            throw new ModelFormatException(
                    base + ": " + layout.forkedLayers() + " layers cannot be forked of a model that has " + layers);
        }
        return new StartingWeights(checkpoint, layout, Map.of(), seed);
    }

    /**
     * Those of heads that exist.
     *
     * @param heads the folder of heads
     * @param base their base
     */
    public static StartingWeights of(Path heads, Path base, Consumer<String> warnings) {
        if (!TensorSource.hasHeads(heads)) {
            throw new ModelFormatException(heads + ": holds no draft heads to begin with");
        }
        Checkpoint checkpoint = Checkpoint.open(heads, Optional.of(base), warnings);
        return new StartingWeights(checkpoint, checkpoint.layout(), checkpoint.headTensors(), 0);
    }

    public DraftLayout layout() {
        return layout;
    }

    /** The base's shape. */
    public Architecture architecture() {
        return checkpoint.config().architecture();
    }

    /** The type that the base's language-model head is stored in, which is a good one for heads too. */
    public DType dtype() {
        DType dtype = lastMatrix().dtype();
        return dtype == DType.F16 || dtype == DType.BF16 ? dtype : DType.F32;
    }

    /**
     * Puts a tensor's numbers, row by row.
     *
     * @param shape that it should have
     * @throws ModelFormatException when there is no such tensor, or one of another shape
     */
    public void read(String name, int[] shape, FloatBuffer into) {
        Matcher block = BLOCK.matcher(name);
        if (!heads.isEmpty()) {
            copy(name, heads.get(name), shape, into);
        } else if (name.equals(DraftHeads.Names.NEXT_TOKEN)) {
            into.put(new float[Math.multiplyExact(shape[0], shape[1])]);
        } else if (block.matches()) {
            fill(block, shape, into);
        } else {
            copy(name, source(name), shape, into);
        }
    }

    private SourceTensor source(String name) {
        Matcher layer = LAYER.matcher(name);
        if (layer.matches()) {
            int from = architecture().layers() - layout.forkedLayers() + Integer.parseInt(layer.group(1));
            return base("model.layers." + from + "." + layer.group(2));
        }
        if (name.equals(DraftHeads.Names.NORM)) {
            return base("model.norm.weight");
        }
        if (LAST.matcher(name).matches()) {
            return lastMatrix();
        }
        throw new ModelFormatException(name + " is no tensor of draft heads");
    }

    private SourceTensor lastMatrix() {
        return base(architecture().tiedEmbeddings() ? "model.embed_tokens.weight" : "lm_head.weight");
    }

    private SourceTensor base(String name) {
        SourceTensor tensor = checkpoint.baseTensors().get(name);
        if (tensor == null) {
            throw new ModelFormatException(checkpoint.weights() + ": tensor " + name + " is missing");
        }
        return tensor;
    }

    private void copy(String name, @Nullable SourceTensor tensor, int[] shape, FloatBuffer into) {
        List<Long> expected = Arrays.stream(shape).asLongStream().boxed().toList();
        if (tensor == null || !tensor.shape().equals(expected)) {
            throw new ModelFormatException(checkpoint.headWeights() + ": tensor " + name + " should be " + expected
                    + " and is " + (tensor == null ? "missing" : tensor.shape()));
        }
        float[] row = new float[shape[shape.length - 1]];
        long rows = shape.length == 1 ? 1 : shape[0];
        for (long i = 0; i < rows; i++) {
            tensor.readRow(i, row);
            into.put(row);
        }
    }

    private void fill(Matcher block, int[] shape, FloatBuffer into) {
        boolean bias = block.group(3).equals("bias");
        float bound = (float) (1 / Math.sqrt(architecture().hiddenSize()));
        SplittableRandom random = new SplittableRandom(
                seed * 1_000_003 + Long.parseLong(block.group(1)) * 1_009 + Long.parseLong(block.group(2)));
        long count = Arrays.stream(shape).asLongStream().reduce(1, (a, b) -> a * b);
        for (long i = 0; i < count; i++) {
            into.put(bias ? (2 * random.nextFloat() - 1) * bound : 0);
        }
    }

    @Override
    public void close() {
        checkpoint.close();
    }
}
