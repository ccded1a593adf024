package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.model.WeightFormat;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How a checkpoint's weights are stored. */
final class QuantizationOptions {
    /** The formats by their names on the command line. */
    enum Format {
        NONE,
        INT8,
        INT4,
        NF4
    }

    @Option(
            names = "--quantize",
            paramLabel = "FORMAT",
            defaultValue = "none",
            description =
                    "none keeps the weights' type; int8 stores 8-bit codes; int4 and nf4 store 4-bit codes, nf4 as"
                            + " bitsandbytes defines it. Default: ${DEFAULT-VALUE}.")
    Format quantize = Format.NONE;

    @Option(
            names = "--quantize-heads",
            paramLabel = "FORMAT",
            description = "The format of draft heads and forked layers. Default: as --quantize.")
    @Nullable
    Format heads;

    @Option(
            names = "--quantize-embeddings",
            paramLabel = "FORMAT",
            description =
                    "The format of the embedding and the language-model head. Default: as --quantize, but int8 where"
                            + " that has 4 bits.")
    @Nullable
    Format embeddings;

    @Option(
            names = "--group-size",
            paramLabel = "N",
            description = "Weights that share a scale in int4: 32, 64 or 128. Fewer are more exact and take more room."
                    + " Default: 64.")
    @Nullable
    Integer groupSize;

    @Option(
            names = "--asymmetric",
            description = "Give each int4 group a minimum beside its scale: more exact, for 16 bits more a group.")
    boolean asymmetric;

    /**
     * What was asked for.
     *
     * @throws IllegalArgumentException when an option contradicts another
     */
    Quantization quantization() {
        boolean int4 = Stream.of(quantize, heads, embeddings).anyMatch(Format.INT4::equals);
        if (!int4 && (groupSize != null || asymmetric)) {
            throw new IllegalArgumentException((asymmetric ? "--asymmetric" : "--group-size")
                    + " is for int4: add --quantize int4, or leave it out");
        }
        Quantization all = format(quantize).map(Quantization::of).orElse(Quantization.NONE);
        Quantization withHeads = heads == null ? all : all.withDraft(format(heads));
        return embeddings == null ? withHeads : withHeads.withEmbeddings(format(embeddings));
    }

    private Optional<WeightFormat> format(Format format) {
        return switch (format) {
            case NONE -> Optional.empty();
            case INT8 -> Optional.of(WeightFormat.INT8);
            case INT4 -> Optional.of(int4());
            case NF4 -> Optional.of(WeightFormat.NF4);
        };
    }

    private WeightFormat int4() {
        WeightFormat.Int4 usual = Quantization.DEFAULT_INT4;
        return new WeightFormat.Int4(
                groupSize == null ? usual.groupSize() : groupSize,
                asymmetric ? WeightFormat.Int4.Symmetry.ASYMMETRIC : usual.symmetry());
    }
}
