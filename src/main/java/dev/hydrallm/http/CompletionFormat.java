package dev.hydrallm.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.TokenSink.Origin;
import dev.hydrallm.serving.GenerationResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Answers of {@code /v1/completions}. */
record CompletionFormat(Head head) implements AnswerFormat {
    static final String ID_PREFIX = "cmpl-";
    private static final String OBJECT = "text_completion";

    private record Choice(
            String text,
            int index,
            @Nullable Object logprobs,
            @Nullable String finishReason,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            String origin) {}

    @Override
    public Optional<Envelope> opening(int choice) {
        return Optional.empty();
    }

    @Override
    public Envelope piece(int choice, String text, Origin origin) {
        return envelope(List.of(new Choice(text, choice, null, null, AnswerFormat.name(origin))), null);
    }

    @Override
    public Envelope closing(int choice, FinishReason reason) {
        return envelope(List.of(new Choice("", choice, null, AnswerFormat.name(reason), null)), null);
    }

    @Override
    public Envelope usage(Usage usage) {
        return envelope(List.of(), usage);
    }

    @Override
    public Envelope whole(List<GenerationResult> results) {
        List<Choice> choices = new ArrayList<>();
        for (GenerationResult result : results) {
            choices.add(
                    new Choice(result.text(), choices.size(), null, AnswerFormat.name(result.finishReason()), null));
        }
        return envelope(choices, Usage.of(results));
    }

    private Envelope envelope(List<Choice> choices, @Nullable Usage usage) {
        return new Envelope(head, OBJECT, choices, usage);
    }
}
