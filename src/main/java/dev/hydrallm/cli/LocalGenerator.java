package dev.hydrallm.cli;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.FinishReason;
import dev.hydrallm.decoding.StopRules;
import dev.hydrallm.prompt.Message;
import dev.hydrallm.prompt.Transcript;
import dev.hydrallm.serving.GenerationListener;
import dev.hydrallm.serving.GenerationRequest;
import dev.hydrallm.serving.GenerationResult;
import dev.hydrallm.serving.PromptTooLongException;
import dev.hydrallm.serving.TextModel;
import dev.hydrallm.training.data.Document;
import dev.hydrallm.training.data.Generator;
import dev.hydrallm.training.data.Preparation;
import java.util.List;
import java.util.concurrent.CompletionException;

/** Answers by a model in this process. */
final class LocalGenerator implements Generator {
    private final TextModel model;
    private final ModelOptions options;
    private final SamplingOptions sampling;
    private final AcceptanceRule rule;
    private final Preparation.Base base;

    /** @param base the model's own tokenizer, and the chat template to use */
    LocalGenerator(TextModel model, Preparation.Base base, ModelOptions options, SamplingOptions sampling) {
        this.model = model;
        this.options = options;
        this.sampling = sampling;
        this.rule = sampling.rule();
        this.base = base;
    }

    @Override
    public String model() {
        return model.name();
    }

    @Override
    public Answer answer(List<Message> messages, long number) {
        int[] prompt;
        try {
            prompt = base.template().encode(messages);
        } catch (IllegalArgumentException e) {
            throw new RefusedException(Cli.oneLine(e), e);
        }
        return generate(prompt, number);
    }

    @Override
    public Answer complete(String text, int[] ids, long number) {
        return generate(ids, number);
    }

    private Answer generate(int[] prompt, long number) {
        AcceptanceRule own = rule instanceof AcceptanceRule.Sampled sampled
                ? new AcceptanceRule.Sampled(
                        sampled.temperature(), sampled.topK(), sampled.topP(), sampled.minP(), sampled.seed() + number)
                : rule;
        GenerationResult result;
        try {
            result = model.generate(
                            new GenerationRequest(
                                    prompt,
                                    own,
                                    Models.speculation(model, options),
                                    sampling.stops(model.endTokens(), StopRules.UNLIMITED),
                                    sampling.stop),
                            GenerationListener.NONE)
                    .result()
                    .join();
        } catch (PromptTooLongException e) {
            throw new RefusedException(Cli.oneLine(e), e);
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
        return new Answer(
                result.text(),
                result.finishReason() == FinishReason.STOP ? Transcript.Finish.WHOLE : Transcript.Finish.CUT,
                new Document.Ids(prompt, result.outputIds(), base.tokenizerDigest()));
    }
}
