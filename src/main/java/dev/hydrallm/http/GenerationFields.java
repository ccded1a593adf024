package dev.hydrallm.http;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.TextModel;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;

/**
 * What completions and chats say alike: which model, how tokens are chosen and when to stop. Beside the OpenAI API's fields these
 * are known: {@code top_k}, {@code min_p}, {@code acceptance}, {@code posterior_threshold}, {@code posterior_alpha},
 * {@code max_steps}, {@code speculation} and {@code no_speculation}.
 */
record GenerationFields(AcceptanceRule rule, StopRules stops, List<String> stopStrings, Speculation speculation) {
    private static final int MOST_STOPS = 4;
    private static final int LONGEST_STOP = 1_000;
    private static final String LOSSLESS = "lossless";
    private static final String TYPICAL = "typical";

    /** Reads the fields; {@code maxTokens} has another name and default in each API. */
    static GenerationFields read(RequestFields fields, TextModel model, int maxTokens) {
        fields.string("model").filter(name -> !name.equals(model.name())).ifPresent(name -> {
            throw ApiException.noSuchModel(name, model.name());
        });
        // A label for an operator's reports; nothing depends on it.
        fields.string("user");
        int maxSteps = fields.integer("max_steps", 1, Integer.MAX_VALUE).orElse(StopRules.UNLIMITED);
        List<String> stopStrings = fields.strings("stop", MOST_STOPS, LONGEST_STOP);
        refuseWhatChangesLogits(fields);
        return new GenerationFields(
                rule(fields),
                new StopRules(model.endTokens(), maxTokens, maxSteps),
                stopStrings,
                speculation(fields, model));
    }

    private static Speculation speculation(RequestFields fields, TextModel model) {
        boolean none = fields.flag("no_speculation");
        Optional<String> extent = fields.string("speculation");
        if (none && extent.isPresent()) {
            throw ApiException.badField("speculation", "'speculation' and 'no_speculation' say the same: give one");
        }
        if (none) {
            return Speculation.NONE;
        }
        return extent.map(name -> switch (name) {
                    case "none" -> Speculation.NONE;
                    case "heads" -> model.speculation(Speculation.Extent.HEADS);
                    case "whole" -> model.speculation(Speculation.Extent.WHOLE);
                    case "adaptive" -> model.speculation(Speculation.Extent.ADAPTIVE);
                    default ->
                        throw ApiException.badField(
                                "speculation", "'speculation' must be 'adaptive', 'heads', 'whole' or 'none'");
                })
                .orElseGet(model::speculation);
    }

    /** A limit of tokens, at most the context's. */
    static Optional<Integer> maxTokens(RequestFields fields, TextModel model, String name) {
        return fields.integer(name, 1, model.limits().contextLength());
    }

    private static AcceptanceRule rule(RequestFields fields) {
        double temperature = fields.number("temperature", 0, 2, 1);
        double topP = fields.number("top_p", 0, 1, 1);
        int topK = fields.integer("top_k", 0, Integer.MAX_VALUE).orElse(0);
        double minP = fields.number("min_p", 0, 0.999_999, 0);
        Optional<Long> seed = fields.longInteger("seed");
        String acceptance = fields.string("acceptance").orElse(LOSSLESS);
        double threshold = fields.number("posterior_threshold", 0, 1, AcceptanceRule.Typical.DEFAULT_THRESHOLD);
        double alpha = fields.number("posterior_alpha", 0, 1, AcceptanceRule.Typical.DEFAULT_ALPHA);
        if (!acceptance.equals(LOSSLESS) && !acceptance.equals(TYPICAL)) {
            throw ApiException.badField("acceptance", "'acceptance' must be '" + LOSSLESS + "' or '" + TYPICAL + "'");
        }
        if (temperature < AcceptanceRule.COLDEST) {
            return new AcceptanceRule.Greedy();
        }
        if (acceptance.equals(TYPICAL)) {
            if (topP != 1 || topK != 0 || minP != 0 || seed.isPresent()) {
                throw ApiException.badField(
                        "acceptance",
                        "typical acceptance is deterministic: top_p, top_k, min_p and seed do not go with it");
            }
            return new AcceptanceRule.Typical(temperature, threshold, alpha);
        }
        // A top_p of 0 keeps the best token alone, as OpenAI's clients expect.
        double positiveTopP = Math.max(topP, Double.MIN_NORMAL);
        return new AcceptanceRule.Sampled(
                temperature,
                topK,
                positiveTopP,
                minP,
                seed.orElseGet(() -> ThreadLocalRandom.current().nextLong() >>> 11)); // fits a JSON number
    }

    private static void refuseWhatChangesLogits(RequestFields fields) {
        fields.unsupported("presence_penalty", value -> value.isNumber() && value.doubleValue() == 0);
        fields.unsupported("frequency_penalty", value -> value.isNumber() && value.doubleValue() == 0);
        fields.unsupported("logit_bias", value -> value.isObject() && value.isEmpty());
        fields.unsupported("n", value -> value.isIntegralNumber() && value.longValue() == 1);
    }

    GenerationRequest request(int[] prompt) {
        return new GenerationRequest(prompt, rule, speculation, stops, stopStrings);
    }

    /** The seed of what is sampled. */
    Optional<Long> seed() {
        return rule instanceof AcceptanceRule.Sampled sampled ? Optional.of(sampled.seed()) : Optional.empty();
    }
}
