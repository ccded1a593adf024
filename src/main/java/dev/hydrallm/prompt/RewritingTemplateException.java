package dev.hydrallm.prompt;

/** A chat template writes what comes before an answer otherwise once the answer is there: nobody could say what to answer to. */
public final class RewritingTemplateException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    RewritingTemplateException(String message) {
        super(message);
    }
}
