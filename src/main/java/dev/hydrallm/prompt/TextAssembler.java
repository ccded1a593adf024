package dev.hydrallm.prompt;

import java.util.List;

public final class TextAssembler {
    public enum End {
        OPEN,
        STOPPED
    }

    public record Piece(String text, End end) {}

    private final Tokenizer t;
    private final List<String> stops;
    private int[] ids = {};
    private int shown;

    public TextAssembler(Tokenizer t, List<String> stops) {
        this.t = t;
        this.stops = stops;
    }

    public Piece push(int token) {
        ids = java.util.Arrays.copyOf(ids, ids.length + 1);
        ids[ids.length - 1] = token;
        String all = t.decode(ids);
        String piece = all.substring(Math.min(shown, all.length()));
        shown = all.length();
        return new Piece(piece, stops.stream().anyMatch(all::contains) ? End.STOPPED : End.OPEN);
    }

    public Piece finish() {
        return new Piece("", End.OPEN);
    }
}
