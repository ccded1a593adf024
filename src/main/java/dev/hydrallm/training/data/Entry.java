package dev.hydrallm.training.data;

/** What a reader found: a document, or something that is none. */
public sealed interface Entry {
    /** Where it stands, for people: the file, and the line or the number in it. */
    String place();

    /** A document. */
    record Found(Document document, String place) implements Entry {}

    /** Nothing to learn from. */
    record Bad(Drop reason, String place) implements Entry {}
}
