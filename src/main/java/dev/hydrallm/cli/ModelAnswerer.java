package dev.hydrallm.cli;

import dev.hydrallm.decoding.Speculation;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.evaluation.Answerer;
import dev.hydrallm.prompt.ChatTemplate;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.serving.GenerationListener;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.GenerationResult;
import dev.hydrallm.serving.TextModel;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionException;

/** A loaded model as something that answers questions. */
final class ModelAnswerer implements Answerer {
    /** How a model is given a conversation. */
    enum Style {
        /** Through its chat template. */
        CHAT,
        /** The messages as they are. */
        RAW
    }

    private final TextModel model;
    private final Speculation usual;
    private final ChatTemplate template;

    /** @param usual what it drafts unless a question says otherwise */
    ModelAnswerer(TextModel model, Speculation usual, Style style) {
        this.model = model;
        this.usual = usual;
        this.template = style == Style.CHAT ? model.template() : ChatTemplate.of(ChatTemplate.RAW, model.tokenizer());
    }

    @Override
    public boolean drafts() {
        return usual.drafts();
    }

    @Override
    public Optional<Answer> answer(Question question) {
        int[] prompt = encode(question.messages());
        if (prompt.length >= model.limits().contextLength()) {
            return Optional.empty();
        }
        GenerationRequest request = new GenerationRequest(
                prompt,
                question.rule(),
                question.drafting() == Drafting.USUAL ? usual : Speculation.NONE,
                new StopRules(model.endTokens(), question.maxTokens(), StopRules.UNLIMITED),
                List.of());
        GenerationResult result;
        try {
            result = model.generate(request, GenerationListener.NONE).result().join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
        return Optional.of(new Answer(
                result.outputIds(),
                result.text(),
                result.statistics().steps(),
                result.timings().total() / 1e9));
    }

    private int[] encode(List<Message> messages) {
        return template.encode(messages);
    }
}
