package dev.hydrallm.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonUnwrapped;
import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.TokenSink.Origin;
import dev.hydrallm.serving.GenerationResult;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** The shape of an answer's JSON objects, whole or in chunks. */
sealed interface AnswerFormat permits CompletionFormat, ChatFormat {

    /**
     * What every object of one answer says alike.
     *
     * @param seed of what was sampled, an extension of the API; null for what is not
     */
    record Head(
            String id,
            long created,
            String model,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Long seed) {
        static Head of(String idPrefix, String model, Optional<Long> seed) {
            String id = idPrefix + UUID.randomUUID().toString().replace("-", "");
            return new Head(id, Instant.now().getEpochSecond(), model, seed.orElse(null));
        }
    }

    /** An object of an answer. */
    record Envelope(
            @JsonUnwrapped Head head,
            String object,
            List<?> choices,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            Usage usage) {}

    /** The first chunk of a choice, if there is one before its text. */
    Optional<Envelope> opening(int choice);

    /** A chunk of a choice's text; {@code origin} is an extension of the API. */
    Envelope piece(int choice, String text, Origin origin);

    /** The last chunk of a choice. */
    Envelope closing(int choice, FinishReason reason);

    /** The chunk with the usage. */
    Envelope usage(Usage usage);

    /** All in one object. */
    Envelope whole(List<GenerationResult> results);

    static String name(Origin origin) {
        return origin.name().toLowerCase(Locale.ROOT);
    }

    /** The API's word; who cancels a request does not read it any more. */
    static String name(FinishReason reason) {
        return reason == FinishReason.LENGTH ? "length" : "stop";
    }
}
