package dev.hydrallm.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.TokenSink.Origin;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.serving.GenerationResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Answers of {@code /v1/chat/completions}. */
record ChatFormat(Head head) implements AnswerFormat {
    static final String ID_PREFIX = "chatcmpl-";
    private static final String OBJECT = "chat.completion";
    private static final String CHUNK = "chat.completion.chunk";

    private record Answer(
            String role, String content, @Nullable String refusal) {}

    private record Choice(
            int index, Answer message, @Nullable Object logprobs, String finishReason) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    private record Delta(@Nullable String role, @Nullable String content) {}

    private record ChunkChoice(
            int index,
            Delta delta,
            @Nullable Object logprobs,
            @Nullable String finishReason,

            @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            String origin) {}

    @Override
    public Optional<Envelope> opening(int choice) {
        return Optional.of(chunk(new ChunkChoice(choice, new Delta(Message.ASSISTANT, ""), null, null, null)));
    }

    @Override
    public Envelope piece(int choice, String text, Origin origin) {
        return chunk(new ChunkChoice(choice, new Delta(null, text), null, null, AnswerFormat.name(origin)));
    }

    @Override
    public Envelope closing(int choice, FinishReason reason) {
        return chunk(new ChunkChoice(choice, new Delta(null, null), null, AnswerFormat.name(reason), null));
    }

    @Override
    public Envelope usage(Usage usage) {
        return new Envelope(head, CHUNK, List.of(), usage);
    }

    @Override
    public Envelope whole(List<GenerationResult> results) {
        List<Choice> choices = new ArrayList<>();
        for (GenerationResult result : results) {
            choices.add(new Choice(
                    choices.size(),
                    new Answer(Message.ASSISTANT, result.text(), null),
                    null,
                    AnswerFormat.name(result.finishReason())));
        }
        return new Envelope(head, OBJECT, choices, Usage.of(results));
    }

    private Envelope chunk(ChunkChoice choice) {
        return new Envelope(head, CHUNK, List.of(choice), null);
    }
}
