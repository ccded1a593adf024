package dev.hydrallm.evaluation;

import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Sentence BLEU against one reference, as the seed's {@code benchmark/sample_BLEU_score.py} computes it: both texts cut at
 * white space by Python's {@code str.split()}, letters left as they are, and NLTK's {@code sentence_bleu} with {@code n}
 * equal weights and no smoothing function.
 *
 * <p>With c and r words of candidate and reference it is {@code BP · exp(Σ ln(p_k) / n)}, k = 1 … n (Papineni et al. 2002,
 * "BLEU: a Method for Automatic Evaluation of Machine Translation", §2.3):
 *
 * <ul>
 *   <li>p_k, the modified precision: runs of k words of the candidate that the reference has too, each at most as often as
 *       there, ÷ all runs of k words of the candidate, 1 at least.
 *   <li>BP, the brevity penalty: 1 when c &gt; r, else {@code exp(1 - r/c)}, which is 1 for c = r; 0 for an empty candidate.
 *   <li>0 when not one word is shared. When words are shared and longer runs are not, NLTK (its {@code method0}) takes
 *       2.2e-308, the smallest normal double, for p_k, which makes BLEU-2 less than 2e-154; so does this.
 * </ul>
 *
 * <p>NLTK: {@code nltk/translate/bleu_score.py}, {@code corpus_bleu}, {@code modified_precision}, {@code brevity_penalty}
 * and {@code SmoothingFunction.method0}.
 */
public final class Bleu {
    /** What Python's {@code str.isspace} holds for white space: Unicode's, and the four separators of ASCII. */
    private static final Pattern WHITE_SPACE = Pattern.compile("[\\p{IsWhite_Space}\\x1c-\\x1f]+");

    private Bleu() {}

    /** BLEU-2 of a text, 0 to 1. */
    public static double bleu2(String candidate, String reference) {
        return sentence(words(candidate), words(reference), 2);
    }

    /** The words between white space. */
    static List<String> words(String text) {
        return Arrays.stream(WHITE_SPACE.split(text))
                .filter(word -> !word.isEmpty())
                .toList();
    }

    /** BLEU with equal weights for runs of 1 to {@code order} words, 0 to 1. */
    static double sentence(List<String> candidate, List<String> reference, int order) {
        double logarithms = 0;
        for (int n = 1; n <= order; n++) {
            NGrams runs = NGrams.of(candidate, n);
            int shared = runs.shared(NGrams.of(reference, n));
            if (n == 1 && shared == 0) {
                return 0;
            }
            double precision = shared == 0 ? Double.MIN_NORMAL : (double) shared / runs.total();
            logarithms += Math.log(precision) / order;
        }
        return brevityPenalty(candidate.size(), reference.size()) * Math.exp(logarithms);
    }

    /** What a candidate loses that is shorter than the reference. */
    static double brevityPenalty(int candidate, int reference) {
        if (candidate > reference) {
            return 1;
        }
        return candidate == 0 ? 0 : Math.exp(1 - (double) reference / candidate);
    }
}
