package dev.hydrallm.prompt;

import java.util.Arrays;

/** Tokens as text in which what is labelled stands in ⟦brackets⟧. */
public final class Marked {
    private Marked() {}

    /** The text of the ids, special tokens shown. */
    public static String text(Tokenizer tokenizer, int[] ids, boolean[] labelled) {
        StringBuilder text = new StringBuilder();
        String before = "";
        for (int begin = 0, end; begin < ids.length; begin = end) {
            end = begin;
            while (end < ids.length && labelled[end] == labelled[begin]) {
                end++;
            }
            String all = tokenizer.decodeAll(Arrays.copyOf(ids, end));
            String fresh = all.substring(before.length());
            text.append(labelled[begin] ? "⟦" + fresh + "⟧" : fresh);
            before = all;
        }
        return text.toString();
    }

    static String text(Tokenizer tokenizer, Transcript transcript) {
        return text(tokenizer, transcript.ids(), transcript.answered());
    }
}
