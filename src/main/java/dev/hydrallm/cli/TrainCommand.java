package dev.hydrallm.cli;

import dev.hydrallm.checkpoint.HeadsFolder;
import dev.hydrallm.checkpoint.Quantization;
import dev.hydrallm.checkpoint.StartingWeights;
import dev.hydrallm.hub.Repository;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.FileDigest;
import dev.hydrallm.model.LoadOptions;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.training.Learner;
import dev.hydrallm.training.RunFolder;
import dev.hydrallm.training.Samples;
import dev.hydrallm.training.Sha256;
import dev.hydrallm.training.TrainedHeads;
import dev.hydrallm.training.Trainer;
import dev.hydrallm.training.TrainingOptions;
import dev.hydrallm.training.data.TokenFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
        name = "train",
        sortOptions = false,
        description = "Trains draft heads for a base model, which stays as it is.",
        footer = {
            "",
            "The output folder gets medusa_lm_head.safetensors and config.json, which --model and hydra pack take; report.html and"
                    + " metrics.jsonl, which say how it went; and checkpoints. The same command once more goes on with a run that was"
                    + " interrupted; Ctrl-C ends one after the step at hand.",
            "",
            "Example:  hydra data prepare --model base/ --input sharegpt.json --output tokens.bin",
            "          hydra train --model base/ --data tokens.bin --output-dir heads/",
            "          hydra generate --model heads/ --prompt 'def main():'"
        })
final class TrainCommand implements Callable<Integer> {
    @Option(
            names = {"--model-name-or-path", "--model"},
            paramLabel = "PATH|ORG/NAME",
            required = true,
            description =
                    "The base: a model's directory or GGUF file, or a hub's repository. Not a packed one: forked layers begin"
                            + " with the weights before any quantization.")
    Path model = Path.of("");

    @Option(
            names = {"--data", "--data-path"},
            paramLabel = "FILE",
            required = true,
            description = "What to learn from: a file of hydra data prepare.")
    Path data = Path.of("");

    @Option(
            names = {"--eval-data", "--eval-data-path"},
            paramLabel = "FILE",
            description = "Samples that are only measured: another file of hydra data prepare.")
    @Nullable
    Path evalData;

    @Option(
            names = "--output-dir",
            paramLabel = "DIR",
            description =
                    "Where the run goes. Default: a folder here, named after base, heads, layers, forked layers and learning"
                            + " rate.")
    @Nullable
    Path outputDir;

    @Mixin
    HeadOptions heads = new HeadOptions();

    @Mixin
    LearningOptions learning = new LearningOptions();

    @Option(
            names = "--model-max-length",
            paramLabel = "TOKENS",
            description = "Samples are cut to this. Default: the base's context, which is also the most.")
    int modelMaxLength;

    @Mixin
    WeightBits bits = new WeightBits();

    @Mixin
    LearnerDeviceOptions on = new LearnerDeviceOptions();

    @Option(
            names = "--cache-hidden-states",
            paramLabel = "DIR",
            description =
                    "Keep what the base makes of each sample here, so that later epochs and runs need not read it again.")
    @Nullable
    Path cacheHiddenStates;

    @Option(
            names = "--save-steps",
            paramLabel = "N",
            defaultValue = "500",
            description = "Steps between checkpoints, of which the last two are kept. Default: ${DEFAULT-VALUE}.")
    int saveSteps;

    @Option(
            names = "--logging-steps",
            paramLabel = "N",
            defaultValue = "1",
            description = "Steps of a line of metrics.jsonl. Default: ${DEFAULT-VALUE}.")
    int loggingSteps;

    @Option(
            names = "--eval-steps",
            paramLabel = "N",
            description = "Steps between measurements of --eval-data. Default: one after every epoch.")
    long evalSteps;

    @Option(
            names = "--resume",
            paramLabel = "WHEN",
            defaultValue = "auto",
            description =
                    "auto: go on with the same run, begin where there is none. required: go on or fail. never: begin or"
                            + " fail. Default: ${DEFAULT-VALUE}.")
    RunFolder.Resume resume = RunFolder.Resume.AUTO;

    @Option(
            names = "--export-pt",
            description =
                    "Write medusa_lm_head.pt too, for programs that read torch's files only; not with --next-token.")
    boolean exportPt;

    @Spec
    CommandSpec command = CommandSpec.create();

    @Override
    public Integer call() throws IOException {
        TrainingOptions options = learning.options();
        Trainer.Care care = new Trainer.Care(loggingSteps, saveSteps, evalSteps);
        Quantization quantization = bits.quantization();
        Optional<DType> written = heads.dtype();
        Path base = new HubModels(Cli.environment(command)).model(model);
        if (PackedModel.isPack(base)) {
            throw new IllegalArgumentException(
                    base + " is packed already, and forked layers begin with the weights before"
                            + " that: name the checkpoint that it was packed from");
        }
        try (StartingWeights start = heads.start(base, learning.seed)) {
            if (exportPt) {
                HeadsFolder.checkTorch(start.layout());
            }
            int longest = longest(start.architecture());
            try (TokenFile training = TokenFile.open(data);
                    @Nullable TokenFile evaluation = evalData == null ? null : TokenFile.open(evalData);
                    PackedModel pack = Packing.cached(base, Optional.empty(), quantization, LoadOptions.DEFAULT)) {
                Samples samples = TrainingSamples.usable(data, training, pack, longest);
                @Nullable
                Samples held = evaluation == null
                        ? null
                        : TrainingSamples.usable(Objects.requireNonNull(evalData), evaluation, pack, longest);
                Map<String, String> identity = identity(start, pack, samples, longest);
                try (RunFolder folder = RunFolder.open(output(start.layout()), identity, resume);
                        Learner learner = on.learner(pack, start.layout(), longest, learning.distillationWeight)) {
                    sayWhenElsewhere(folder);
                    Trainer trainer = new Trainer(learner, samples, options, folder, care, new TrainingBar());
                    if (held != null) {
                        trainer.holdingOut(held);
                    }
                    if (cacheHiddenStates != null) {
                        trainer.keepingStates(cacheHiddenStates, baseKey(pack, start.layout()));
                    }
                    return run(trainer, start, learner, folder, written.orElseGet(start::dtype));
                }
            }
        }
    }

    private void sayWhenElsewhere(RunFolder folder) throws IOException {
        String how = on.described();
        folder.computes(how)
                .ifPresent(before ->
                        System.err.println("hydra: this run was computed on " + before + " so far, and from here on "
                                + how + ": losses will be close to what they would have been, not the same"));
    }

    private int run(Trainer trainer, StartingWeights start, Learner learner, RunFolder folder, DType dtype)
            throws IOException {
        try (Interruption interruption =
                new Interruption(() -> System.err.println("\nhydra: ending after this step; once more ends at once"))) {
            Trainer.Outcome outcome = trainer.run(
                    (parameter, into) -> start.read(parameter.name(), parameter.shape(), into), interruption::wished);
            if (outcome == Trainer.Outcome.STOPPED) {
                System.err.println(
                        "hydra: stopped, and saved in " + folder.path() + ": give the same command to go on with it");
                return Cli.INTERRUPTED;
            }
            new TrainedHeads(start.layout(), dtype, baseName())
                    .write(
                            learner,
                            folder,
                            exportPt ? TrainedHeads.Files.SAFETENSORS_AND_TORCH : TrainedHeads.Files.SAFETENSORS);
        }
        System.err.println("Trained " + start.layout().heads() + " heads in " + trainer.steps() + " steps; see "
                + folder.path().resolve("report.html"));
        System.out.println(folder.path());
        return 0;
    }

    /** The longest sample; a longer one than the base was made for would learn positions that are never decoded. */
    private int longest(Architecture base) {
        if (modelMaxLength < 0 || modelMaxLength > base.contextLength()) {
            throw new IllegalArgumentException("--model-max-length " + modelMaxLength + " is "
                    + (modelMaxLength < 0
                            ? "negative"
                            : "beyond the base's context of " + base.contextLength() + " tokens"));
        }
        return modelMaxLength == 0 ? base.contextLength() : modelMaxLength;
    }

    private Map<String, String> identity(StartingWeights start, PackedModel pack, Samples samples, int longest) {
        Map<String, String> identity = new LinkedHashMap<>();
        identity.put("--model-name-or-path", baseName());
        identity.put("base weights", baseDigest(pack));
        identity.put("--data", data.toString());
        identity.put("samples", samples.fingerprint());
        if (heads.headsFrom != null) {
            identity.put("--heads-from", heads.headsFrom.toString());
        }
        identity.put("--medusa-num-heads", String.valueOf(start.layout().heads()));
        identity.put("--medusa-num-layers", String.valueOf(start.layout().residualLayers()));
        identity.put(
                "--medusa-num-decoder-layers", String.valueOf(start.layout().forkedLayers()));
        identity.put("--share-lm-head", String.valueOf(start.layout().sharedLmHead()));
        if (start.layout().has(DraftPart.NEXT_TOKEN)) {
            identity.put("--next-token", "true");
        }
        identity.put("--model-max-length", String.valueOf(longest));
        learning.describe(identity);
        return identity;
    }

    private Path output(DraftLayout layout) {
        if (outputDir != null) {
            return outputDir;
        }
        String name = Objects.requireNonNull(model.toAbsolutePath().normalize().getFileName())
                .toString();
        return Path.of(String.format(
                Locale.ROOT,
                "hydra-%s-heads%d-layers%d-decoder%d%s-lr%s",
                name,
                layout.heads(),
                layout.residualLayers(),
                layout.forkedLayers(),
                layout.has(DraftPart.NEXT_TOKEN) ? "-next" : "",
                learning.learningRate));
    }

    /** A hub's name as it is, a path from the root on: the folder of heads is another place to look from. */
    private String baseName() {
        return Files.exists(model) || !Repository.looksLikeOne(model.toString())
                ? model.toAbsolutePath().normalize().toString()
                : model.toString();
    }

    private static String baseDigest(PackedModel pack) {
        FileDigest weights = Objects.requireNonNull(pack.manifest().files().get(Manifest.WEIGHTS_FILE));
        return Sha256.hex(String.join("", weights.chunks()).getBytes(StandardCharsets.US_ASCII));
    }

    /** What the base's states depend on beside the samples. */
    private String baseKey(PackedModel pack, DraftLayout layout) {
        return baseDigest(pack) + " of " + pack.architecture() + " tap " + layout.forkedLayers() + " on "
                + on.device() + " distilled "
                + (learning.distillationWeight > 0);
    }
}
