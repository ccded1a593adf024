package dev.hydrallm.evaluation;

import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * How often draft heads are right at every place of texts, whatever is drafted there in decoding.
 *
 * <p>Behind the tokens x₀ … xₜ head k, counted from 0, guesses the token at t + 2 + k. {@code ofText} compares its guesses with the text's
 * own token x₍ₜ₊₂₊ₖ₎. {@code ofBase} compares them with the token that the base itself would have put there greedily, had it been given the
 * text up to that place: the argmax of its logits after x₀ … x₍ₜ₊₁₊ₖ₎. Both are asked at the same places: where the token at t + 2 + k is
 * labelled and the text has it. In greedy decoding a draft is accepted by the base's choice, and the text is the base's own, so that both
 * would be equal there.
 *
 * @param tokens labelled tokens behind the first of each text
 * @param base the base's own greedy choice of the next token against the text: one rank
 * @param ofText by head, against the text's own tokens
 * @param ofBase by head, against the base's greedy choices
 */
public record HeadAccuracy(long tokens, RankHits base, List<RankHits> ofText, List<RankHits> ofBase) {

    /**
     * A text, some of whose tokens are asked for.
     *
     * @param labelled which tokens count, as many
     */
    public record Text(int[] tokens, boolean[] labelled) {
        /** A text whose every token counts. */
        public static Text whole(int... tokens) {
            boolean[] all = new boolean[tokens.length];
            Arrays.fill(all, true);
            return new Text(tokens, all);
        }

        /** Whether any token is asked for: one that is labelled and not the first. */
        public boolean asked() {
            return IntStream.range(1, tokens.length).anyMatch(i -> labelled[i]);
        }
    }

    /**
     * Lets a model read texts, each for itself.
     *
     * @param texts of 2 tokens or more
     * @param ranks guesses of each head that are looked at
     * @param done told how many tokens are read so far, out of all but the last of each text
     * @throws IllegalArgumentException if a text has fewer than 2 tokens
     */
    public static HeadAccuracy of(
            DraftReader reader, Iterable<Text> texts, SlidingWindows windows, int ranks, IntConsumer done) {
        Counters counters = new Counters(reader.heads(), ranks);
        int before = 0;
        for (Text text : texts) {
            int read = before;
            new ChunkedText(text.tokens, windows, reader.chunkSize())
                    .forEach(counters.reading(text, reader), now -> done.accept(read + now));
            before += text.tokens.length - 1;
        }
        return counters.counted();
    }

    private static final class Counters {
        private final int heads;
        private final int ranks;
        private final RankHits.Counter base = new RankHits.Counter(1);
        private final List<RankHits.Counter> ofText;
        private final List<RankHits.Counter> ofBase;

        Counters(int heads, int ranks) {
            this.heads = heads;
            this.ranks = ranks;
            ofText = counters(heads, ranks);
            ofBase = counters(heads, ranks);
        }

        private static List<RankHits.Counter> counters(int heads, int ranks) {
            return IntStream.range(0, heads)
                    .mapToObj(head -> new RankHits.Counter(ranks))
                    .toList();
        }

        ChunkedText.Reader reading(Text text, DraftReader reader) {
            // What each head guessed of the places that the base has not come to yet: by place modulo their number.
            int[][][] waiting = new int[heads][heads + 2][];
            return new ChunkedText.Reader() {
                @Override
                public void read(int[] tokens, int start, int from) {
                    reader.read(tokens, start, text.tokens[from + tokens.length]);
                }

                @Override
                public void score(int[] tokens, int start, int from) {
                    DraftReader.Guesses guesses =
                            reader.guesses(tokens, start, text.tokens[from + tokens.length], ranks);
                    for (int i = 0; i < tokens.length; i++) {
                        for (int head = 0; head < heads; head++) {
                            waiting[head][(from + i + 2 + head) % (heads + 2)] = guesses.drafts()[head][i];
                        }
                        compare(from + i + 1, guesses.next()[i]);
                    }
                }

                // All that was guessed of a place, with what stands there and with what the base would put there.
                private void compare(int place, int choice) {
                    if (!text.labelled[place]) {
                        return;
                    }
                    int token = text.tokens[place];
                    base.add(token, choice);
                    for (int head = 0; head < heads && place - 2 - head >= 0; head++) {
                        int[] guessed = waiting[head][place % (heads + 2)];
                        ofText.get(head).add(token, guessed);
                        ofBase.get(head).add(choice, guessed);
                    }
                }
            };
        }

        HeadAccuracy counted() {
            RankHits counted = base.counted();
            return new HeadAccuracy(counted.asked(), counted, counted(ofText), counted(ofBase));
        }

        private static List<RankHits> counted(List<RankHits.Counter> counters) {
            return counters.stream().map(RankHits.Counter::counted).toList();
        }
    }
}
