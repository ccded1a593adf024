package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.StopRules;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How tokens are chosen and when to stop. */
final class SamplingOptions {
    /** Which tokens of a draft stay when the temperature is above 0. */
    enum Acceptance {
        /** Sampling from exactly the base model's distribution. */
        LOSSLESS,
        /** Medusa's typical acceptance: deterministic, not the base model's distribution. */
        TYPICAL
    }

    @Option(
            names = "--temperature",
            paramLabel = "T",
            defaultValue = "0.7",
            description = "0 is greedy. Default: ${DEFAULT-VALUE}.")
    double temperature;

    @Option(
            names = "--acceptance",
            paramLabel = "RULE",
            defaultValue = "lossless",
            description = "Above temperature 0: lossless sampling, or typical (Medusa's, deterministic). Default:"
                    + " ${DEFAULT-VALUE}.")
    Acceptance acceptance = Acceptance.LOSSLESS;

    @Option(
            names = "--posterior-threshold",
            paramLabel = "P",
            defaultValue = "0.09",
            description = "Typical acceptance: probability that always suffices. Default: ${DEFAULT-VALUE}.")
    double posteriorThreshold;

    @Option(
            names = "--posterior-alpha",
            paramLabel = "A",
            defaultValue = "0.3",
            description = "Typical acceptance: factor of exp(-entropy). Default: ${DEFAULT-VALUE}.")
    double posteriorAlpha;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            defaultValue = "1",
            description = "Nucleus sampling. Default: off (1).")
    double topP;

    @Option(names = "--top-k", paramLabel = "K", defaultValue = "0", description = "Keep the K best. Default: off (0).")
    int topK;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            defaultValue = "0",
            description = "Drop tokens below P times the best. Default: off (0).")
    double minP;

    @Option(names = "--seed", paramLabel = "N", description = "Of the sampling. Default: random, and reported.")
    @Nullable
    Long seed;

    @Option(
            names = "--max-tokens",
            paramLabel = "N",
            description = "Most tokens of an answer. Default: to the end of the context.")
    @Nullable
    Integer maxTokens;

    @Option(names = "--max-steps", paramLabel = "N", description = "Most decoding steps of an answer.")
    @Nullable
    Integer maxSteps;

    @Option(
            names = "--stop",
            paramLabel = "TEXT",
            description = "End the answer before this text; may be given several times.")
    List<String> stop = new ArrayList<>();

    /** The seed that was given, else a random one, the same for the whole run. */
    long seed() {
        if (seed == null) {
            seed = ThreadLocalRandom.current().nextLong() >>> 11; // fits a JSON number
        }
        return seed;
    }

    /**
     * The rule of these options.
     *
     * @throws IllegalArgumentException naming an option that is out of bounds, used or not, or does not go with others
     */
    AcceptanceRule rule() {
        double warm = temperature < 0 || temperature >= AcceptanceRule.COLDEST ? temperature : 1;
        AcceptanceRule.Sampled sampled = new AcceptanceRule.Sampled(warm, topK, topP, minP, seed == null ? 0 : seed);
        AcceptanceRule.Typical typical = new AcceptanceRule.Typical(warm, posteriorThreshold, posteriorAlpha);
        if (warm != temperature) {
            return new AcceptanceRule.Greedy();
        }
        if (acceptance == Acceptance.LOSSLESS) {
            return seed == null ? new AcceptanceRule.Sampled(warm, topK, topP, minP, seed()) : sampled;
        }
        if (topK != 0 || topP != 1 || minP != 0 || seed != null) {
            throw new IllegalArgumentException(
                    "typical acceptance is deterministic: top-k, top-p, min-p and seed do not go with it");
        }
        return typical;
    }

    /** Adds what an answer depends on, by option; those that are as they are without being given are left out. */
    void describe(Map<String, String> described) {
        described.put("--temperature", String.valueOf(temperature));
        describe(described, "--acceptance", acceptance, Acceptance.LOSSLESS);
        if (acceptance == Acceptance.TYPICAL) {
            described.put("--posterior-threshold", String.valueOf(posteriorThreshold));
            described.put("--posterior-alpha", String.valueOf(posteriorAlpha));
        }
        describe(described, "--top-p", topP, 1.0);
        describe(described, "--top-k", topK, 0);
        describe(described, "--min-p", minP, 0.0);
        describe(described, "--seed", seed, null);
        describe(described, "--max-tokens", maxTokens, null);
        describe(described, "--max-steps", maxSteps, null);
        describe(described, "--stop", stop, List.of());
    }

    private static void describe(
            Map<String, String> described, String name, @Nullable Object value, @Nullable Object usual) {
        if (value != null && !value.equals(usual)) {
            described.put(name, value.toString());
        }
    }

    StopRules stops(Set<Integer> endTokens, int defaultSteps) {
        return new StopRules(
                endTokens,
                maxTokens == null ? StopRules.UNLIMITED : maxTokens,
                maxSteps == null ? defaultSteps : maxSteps);
    }
}
