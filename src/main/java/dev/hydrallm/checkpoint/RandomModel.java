package dev.hydrallm.checkpoint;

import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.FileDigest;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.model.TensorView;
import dev.hydrallm.model.WeightFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * A model of any shape whose weights are random: as fast as a trained one of that shape, and sure to say nothing.
 *
 * <p>Weights are normal with a deviation of {@value #DEVIATION}; those of matrices that add to the residual stream have that
 * ÷ √(2 × layers), as GPT-2 begins, so that the stream stays of one size. Gains are 1 and biases 0.
 *
 * @param seed the same seed gives the same bytes
 */
public record RandomModel(
        String name, Architecture architecture, DraftLayout draft, Quantization quantization, long seed) {
    private static final double DEVIATION = 0.02;

    /** @throws IllegalArgumentException when a format does not fit the shape, or there are too many forked layers */
    public RandomModel {
        FileDigest none = FileDigest.of(new byte[0]);
        manifest(name, architecture, draft, formats(architecture, draft, quantization), none, none);
    }

    /** The bytes of its weights when packed, fillers left out. */
    public long bytes() {
        Map<TensorGroup, WeightFormat> formats = formats(architecture, draft, quantization);
        return PackLayout.parts(architecture, draft).stream()
                .flatMap(part -> PackLayout.stored(part, formats).stream())
                .mapToLong(stored -> TensorView.byteSize(stored.dtype(), stored.shape()))
                .sum();
    }

    /**
     * Writes it as a pack, all of it or nothing.
     *
     * @param target a path where nothing is yet, or an empty folder
     * @throws IOException when the target exists or cannot be written
     */
    public void write(Path target, Packer.Progress progress) throws IOException {
        Packer.whole(target, directory -> {
            Map<TensorGroup, WeightFormat> formats = formats(architecture, draft, quantization);
            List<PackLayout.Part> parts = PackLayout.parts(architecture, draft);
            byte[] tokenizer = SyntheticTokenizer.json(architecture.vocabSize());
            FileDigest weights = new PackWriter(directory.resolve(Manifest.WEIGHTS_FILE), parts, formats)
                    .write(rows(parts), progress);
            Files.write(directory.resolve(Manifest.TOKENIZER_FILE), tokenizer);
            manifest(name, architecture, draft, formats, weights, FileDigest.of(tokenizer))
                    .write(directory);
        });
    }

    private static Manifest manifest(
            String name,
            Architecture architecture,
            DraftLayout draft,
            Map<TensorGroup, WeightFormat> formats,
            FileDigest weightsDigest,
            FileDigest tokenizerDigest) {
        return new Manifest(
                Manifest.FORMAT_VERSION,
                name,
                architecture,
                draft,
                formats,
                null,
                "raw",
                null,
                List.of(),
                List.of("random weights"),
                Map.of(Manifest.WEIGHTS_FILE, weightsDigest, Manifest.TOKENIZER_FILE, tokenizerDigest));
    }

    private static Map<TensorGroup, WeightFormat> formats(
            Architecture architecture, DraftLayout draft, Quantization quantization) {
        Map<TensorGroup, WeightFormat> formats = new TreeMap<>();
        for (TensorGroup group : PackLayout.groups(architecture, draft)) {
            formats.put(group, quantization.formatOf(group, DType.F32));
        }
        return formats;
    }

    /** The rows of each part. */
    private Function<PackLayout.Part, Rows> rows(List<PackLayout.Part> parts) {
        SplittableRandom seeds = new SplittableRandom(seed);
        Map<String, Long> seedOf = new HashMap<>();
        parts.forEach(part -> seedOf.put(part.name(), seeds.nextLong()));
        double residual = DEVIATION / Math.sqrt(2.0 * architecture.layers());
        return part -> switch (part) {
            case PackLayout.Vector vector -> new Constant(vector.name().endsWith(".bias") ? 0 : 1);
            case PackLayout.Matrix matrix -> {
                boolean addsToTheStream =
                        matrix.name().endsWith(".o") || matrix.name().endsWith(".down");
                yield new NormalRows(
                        matrix.rows(),
                        (float) (addsToTheStream ? residual : DEVIATION),
                        Objects.requireNonNull(seedOf.get(matrix.name())));
            }
        };
    }

    /** One row of one number. */
    private record Constant(float value) implements Rows {
        @Override
        public long count() {
            return 1;
        }

        @Override
        public void read(long row, float[] target) {
            Arrays.fill(target, value);
        }
    }
}
