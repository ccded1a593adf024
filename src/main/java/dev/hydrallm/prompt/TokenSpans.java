package dev.hydrallm.prompt;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A text's ids, and where in the text each of them begins.
 *
 * @param ids as the model reads them
 * @param begins index of a token's first character in the text (UTF-16 units), as many as ids; tokens that share a character, of
 *     which each holds some bytes, begin alike; -1 for one that stands for no text, such as a BOS that was added
 */
public record TokenSpans(int[] ids, int[] begins) {

    /** Spans of texts that were encoded one by one, as those of all of it. */
    static final class Joined {
        private final List<TokenSpans> parts = new ArrayList<>();
        private int characters;
        private int tokens;

        void addTextless(int[] ids) {
            int[] begins = new int[ids.length];
            Arrays.fill(begins, -1);
            add(new TokenSpans(ids, begins), "");
        }

        /** Adds a part of the text, and the text. */
        void add(TokenSpans part, String text) {
            int[] begins = part.begins().clone();
            for (int i = 0; i < begins.length; i++) {
                begins[i] = begins[i] < 0 ? -1 : begins[i] + characters;
            }
            parts.add(new TokenSpans(part.ids(), begins));
            characters += text.length();
            tokens += begins.length;
        }

        TokenSpans finish() {
            int[] ids = new int[tokens];
            int[] begins = new int[tokens];
            int at = 0;
            for (TokenSpans part : parts) {
                System.arraycopy(part.ids(), 0, ids, at, part.ids().length);
                System.arraycopy(part.begins(), 0, begins, at, part.begins().length);
                at += part.ids().length;
            }
            return new TokenSpans(ids, begins);
        }
    }
}
