package dev.hydrallm.serving;

/** A prompt that leaves no room for an answer in the context. */
public final class PromptTooLongException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final int promptTokens;
    private final int contextLength;

    PromptTooLongException(int promptTokens, int contextLength) {
        super("the prompt has " + promptTokens + " tokens, and a context of " + contextLength
                + " leaves no room for an answer: shorten the prompt");
        this.promptTokens = promptTokens;
        this.contextLength = contextLength;
    }

    /** Tokens of the prompt. */
    public int promptTokens() {
        return promptTokens;
    }

    /** Tokens of the context. */
    public int contextLength() {
        return contextLength;
    }
}
