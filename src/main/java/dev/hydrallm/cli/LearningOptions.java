package dev.hydrallm.cli;

import dev.hydrallm.training.Schedule;
import dev.hydrallm.training.TrainingOptions;
import java.util.Map;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How heads learn; the defaults are those of Hydra's published run. */
final class LearningOptions {
    @Option(
            names = "--learning-rate",
            paramLabel = "RATE",
            defaultValue = "1e-3",
            description = "Its peak. Default: ${DEFAULT-VALUE}.")
    double learningRate;

    @Option(
            names = "--warmup-ratio",
            paramLabel = "SHARE",
            defaultValue = "0.1",
            description =
                    "Share of the steps over which the learning rate rises to its peak. Default: ${DEFAULT-VALUE}.")
    double warmupRatio;

    @Option(
            names = "--lr-scheduler-type",
            paramLabel = "NAME",
            defaultValue = "cosine",
            converter = ScheduleConverter.class,
            description = "cosine, linear, constant or constant_with_warmup. Default: ${DEFAULT-VALUE}.")
    Schedule schedule = Schedule.COSINE;

    @Option(
            names = "--per-device-train-batch-size",
            paramLabel = "N",
            defaultValue = "2",
            description = "Samples that pass through the model at once. Default: ${DEFAULT-VALUE}.")
    int batchSize;

    @Option(
            names = "--gradient-accumulation-steps",
            paramLabel = "N",
            defaultValue = "4",
            description = "Batches of an optimizer step. Default: ${DEFAULT-VALUE}.")
    int accumulation;

    @Option(
            names = "--num-train-epochs",
            paramLabel = "N",
            defaultValue = "1",
            description = "How often all samples are gone through; may be a fraction. Default: ${DEFAULT-VALUE}.")
    double epochs;

    @Option(names = "--max-steps", paramLabel = "N", description = "Optimizer steps, instead of epochs.")
    long maxSteps;

    @Option(
            names = "--weight-decay",
            paramLabel = "DECAY",
            defaultValue = "0",
            description = "AdamW's, of matrices; norms and biases do not decay. Default: ${DEFAULT-VALUE}.")
    double weightDecay;

    @Option(
            names = "--max-grad-norm",
            paramLabel = "NORM",
            defaultValue = "1",
            description = "Gradients are scaled down to this norm; 0 leaves them. Default: ${DEFAULT-VALUE}.")
    double maxGradientNorm;

    @Option(
            names = "--head-loss-decay",
            paramLabel = "DECAY",
            defaultValue = "1",
            description =
                    "Head k's loss counts this to the power of k; 0.8 in Medusa's paper. Default: ${DEFAULT-VALUE}.")
    double headLossDecay;

    @Option(
            names = "--distillation-weight",
            paramLabel = "WEIGHT",
            defaultValue = "0",
            description = "Weight of each head's divergence from the base's own distribution beside a label's. Default:"
                    + " ${DEFAULT-VALUE}.")
    double distillationWeight;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "42",
            description = "Of the order of samples and the new heads' biases. Default: ${DEFAULT-VALUE}.")
    long seed;

    /** @throws IllegalArgumentException naming what is out of its bounds */
    TrainingOptions options() {
        return new TrainingOptions(
                batchSize,
                accumulation,
                epochs,
                maxSteps,
                learningRate,
                warmupRatio,
                schedule,
                weightDecay,
                maxGradientNorm == 0 ? Double.POSITIVE_INFINITY : maxGradientNorm,
                headLossDecay,
                seed);
    }

    /** Adds all that they say, by option. */
    void describe(Map<String, String> identity) {
        identity.put("--learning-rate", String.valueOf(learningRate));
        identity.put("--warmup-ratio", String.valueOf(warmupRatio));
        identity.put("--lr-scheduler-type", schedule.toString());
        identity.put("--per-device-train-batch-size", String.valueOf(batchSize));
        identity.put("--gradient-accumulation-steps", String.valueOf(accumulation));
        if (maxSteps > 0) {
            identity.put("--max-steps", String.valueOf(maxSteps));
        } else {
            identity.put("--num-train-epochs", String.valueOf(epochs));
        }
        identity.put("--weight-decay", String.valueOf(weightDecay));
        identity.put("--max-grad-norm", String.valueOf(maxGradientNorm));
        identity.put("--head-loss-decay", String.valueOf(headLossDecay));
        identity.put("--distillation-weight", String.valueOf(distillationWeight));
        identity.put("--seed", String.valueOf(seed));
    }

    static final class ScheduleConverter implements ITypeConverter<Schedule> {
        @Override
        public Schedule convert(String name) {
            try {
                return Schedule.named(name);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(String.valueOf(e.getMessage()));
            }
        }
    }
}
