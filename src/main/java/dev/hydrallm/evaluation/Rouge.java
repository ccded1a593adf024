package dev.hydrallm.evaluation;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * ROUGE of a text against one reference (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"), as Google's
 * {@code rouge_score} computes it without a stemmer ({@code rouge/rouge_scorer.py}, {@code rouge/tokenize.py}), which agrees
 * with the original ROUGE-1.5.5: words are runs of a to z and 0 to 9 after all letters were made small. Whatever else, an
 * accented letter too, separates words, so figures of French texts compare with one another only.
 *
 * <p>ROUGE-N counts runs of n words that both texts have, each at most as often as in the text that has fewer. ROUGE-L takes
 * the longest common subsequence of all words. Either is a precision (÷ the candidate's), a recall (÷ the reference's) and
 * their harmonic mean F1 = 2PR/(P + R); a text without words scores 0.
 */
public final class Rouge {
    /**
     * How far a candidate covers a reference, each 0 to 1.
     *
     * @param precision of what the candidate says, the share that the reference says too
     * @param recall of what the reference says, the share that the candidate says too
     */
    public record Score(double precision, double recall) {
        private static Score of(int shared, int candidate, int reference) {
            return new Score((double) shared / Math.max(1, candidate), (double) shared / Math.max(1, reference));
        }

        /** The harmonic mean of both, 0 to 1. */
        public double f1() {
            return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall);
        }
    }

    private Rouge() {}

    /** ROUGE-N: runs of {@code n} words. */
    public static Score ngrams(String candidate, String reference, int n) {
        NGrams ofCandidate = NGrams.of(words(candidate), n);
        NGrams ofReference = NGrams.of(words(reference), n);
        return Score.of(ofCandidate.shared(ofReference), ofCandidate.total(), ofReference.total());
    }

    /** ROUGE-L: the longest common subsequence. */
    public static Score longest(String candidate, String reference) {
        List<String> ofCandidate = words(candidate);
        List<String> ofReference = words(reference);
        return Score.of(commonSubsequence(ofCandidate, ofReference), ofCandidate.size(), ofReference.size());
    }

    static List<String> words(String text) {
        return Arrays.stream(text.toLowerCase(Locale.ROOT).split("[^a-z0-9]+"))
                .filter(word -> !word.isEmpty())
                .toList();
    }

    /** The length of the longest sequence of words that occurs in both in this order, gaps allowed. */
    static int commonSubsequence(List<String> a, List<String> b) {
        int[] longest = new int[b.size() + 1]; // of a's words so far and b's first ones
        for (String word : a) {
            int diagonal = 0;
            for (int j = 1; j <= b.size(); j++) {
                int above = longest[j];
                longest[j] = word.equals(b.get(j - 1)) ? diagonal + 1 : Math.max(above, longest[j - 1]);
                diagonal = above;
            }
        }
        return longest[b.size()];
    }
}
