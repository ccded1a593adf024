package dev.hydrallm.decoding;

/** A model computed logits that choose no token. */
public final class NotFiniteException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    public NotFiniteException() {
        super("the model computed logits that are infinite or no numbers: its weights are damaged or do not fit this"
                + " engine");
    }
}
