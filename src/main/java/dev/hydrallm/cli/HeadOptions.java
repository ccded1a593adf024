package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.StartingWeights;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What is trained, and what it begins with. */
final class HeadOptions {
    @Option(
            names = {"--medusa-num-heads", "--heads"},
            paramLabel = "N",
            description = "Draft heads: head k foretells the token k + 1 places beyond the base's own. Default: 3.")
    @Nullable
    Integer heads;

    @Option(
            names = {"--medusa-num-layers", "--residual-layers"},
            paramLabel = "N",
            description = "Residual blocks of a head. Default: 1.")
    @Nullable
    Integer residualLayers;

    @Option(
            names = {"--medusa-num-decoder-layers", "--forked-layers"},
            paramLabel = "N",
            description =
                    "Decoder layers forked from the base's last ones, below the heads; 0 is plain Medusa. Default: 2.")
    @Nullable
    Integer forkedLayers;

    @Option(
            names = "--share-lm-head",
            description =
                    "Heads end in the base's language-model head, which stays as it is, instead of one each: much smaller.")
    boolean shareLmHead;

    @Option(
            names = "--next-token",
            description =
                    "Draft layers read the base's next token, too, which is known when they draft: they guess much better. Such"
                            + " heads are Hydra's own and no other program's.")
    boolean nextToken;

    @Option(
            names = "--heads-from",
            paramLabel = "DIR",
            description = "Begin with the heads of this folder, trained for the same base, instead of new ones.")
    @Nullable
    Path headsFrom;

    @Option(
            names = "--heads-dtype",
            paramLabel = "TYPE",
            description = "Type of the weights that are written: f32, f16 or bf16. Default: that of the base's.")
    @Nullable
    String dtype;

    /** What the heads begin with. */
    StartingWeights start(Path base, long seed) {
        if (headsFrom == null) {
            DraftLayout layout = new DraftLayout(
                    heads == null ? 3 : heads,
                    residualLayers == null ? 1 : residualLayers,
                    forkedLayers == null ? 2 : forkedLayers,
                    shareLmHead,
                    nextToken ? Set.of(DraftPart.NEXT_TOKEN) : Set.of());
            return StartingWeights.forked(base, layout, seed, HeadOptions::warn);
        }
        StartingWeights start = StartingWeights.of(headsFrom, base, HeadOptions::warn);
        try {
            requireSame("--medusa-num-heads", heads, start.layout().heads());
            requireSame("--medusa-num-layers", residualLayers, start.layout().residualLayers());
            requireSame(
                    "--medusa-num-decoder-layers", forkedLayers, start.layout().forkedLayers());
            if (shareLmHead && !start.layout().sharedLmHead()) {
                throw new IllegalArgumentException(
                        "the heads in " + headsFrom + " have last matrices of their own: leave out --share-lm-head");
            }
            if (nextToken && !start.layout().has(DraftPart.NEXT_TOKEN)) {
                throw new IllegalArgumentException(
                        "the heads in " + headsFrom + " do not read the next token: leave out --next-token");
            }
            return start;
        } catch (IllegalArgumentException e) {
            start.close();
            throw e;
        }
    }

    private void requireSame(String option, @Nullable Integer given, int found) {
        if (given != null && given != found) {
            throw new IllegalArgumentException(
                    option + " is " + given + ", and the heads in " + headsFrom + " have " + found + ": leave it out");
        }
    }

    private static void warn(String line) {
        System.err.println("hydra: warning: " + line);
    }

    /** The type that is asked for. */
    Optional<DType> dtype() {
        return Optional.ofNullable(dtype)
                .map(name -> DType.named(name.toUpperCase(Locale.ROOT))
                        .filter(type -> type == DType.F32 || type == DType.F16 || type == DType.BF16)
                        .orElseThrow(() ->
                                new IllegalArgumentException("--heads-dtype " + name + " is not f32, f16 or bf16")));
    }
}
