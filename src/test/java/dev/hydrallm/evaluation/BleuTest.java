package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.constraints.StringLength;
import net.jqwik.api.constraints.UniqueElements;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Expected values with many digits are what NLTK's own {@code bleu_score.py} says. */
class BleuTest {
    private static final Offset<Double> ROUNDING = within(1e-12);

    /** The pair of the seed's benchmark/sample_BLEU_score.py. */
    @Test
    void theSeedsOwnExampleScoresAsNltkScoresIt() {
        String reference =
                "Et pourtant, dans les crises d'emportement qui les secouaient, ils lisaient chacun nettement au"
                        + " fond de leur colère, ils devinaient les fureurs de leur être égoïste qui les avaient poussés à"
                        + " l'assassinat pour contenter ses appétits, et qui ne trouvait dans l'assassinat qu'une existence désolée"
                        + " et intolérable.";
        String candidate =
                "Et pourtant, dans les accès de colère qui les agitaient, ils ont tous deux vu clair jusque dans"
                        + " le fond de leur colère. Ils étaient conscients que c'était le violent impulsion de leur nature égoïste"
                        + " qui les avait poussés à tuer pour satisfaire leur désir, et qu'ils n'avaient trouvé que dans"
                        + " l'assassinat, une existence affligeante et insupportable.";
        assertThat(Bleu.bleu2(candidate, reference)).isCloseTo(0.2625305806271167, ROUNDING);
        assertThat(Bleu.bleu2(reference, candidate)).isCloseTo(0.25785788391391873, ROUNDING);
    }

    /** The sentences of Papineni et al. 2002, §2, as in NLTK's documentation. */
    @ParameterizedTest
    @CsvSource({
        "1, 0.6111111111111112",
        "2, 0.5362664443598958",
        "4, 0.41180376356915777",
    })
    void thePapersSentencesScoreAsNltkScoresThem(int order, double expected) {
        List<String> candidate = Bleu.words(
                "It is a guide to action which ensures that the military always obeys the commands of the party");
        List<String> reference =
                Bleu.words("It is a guide to action that ensures that the military will forever heed Party commands");
        assertThat(Bleu.sentence(candidate, reference, order)).isCloseTo(expected, ROUNDING);
    }

    @Test
    void aShorterCandidateIsPunished() {
        assertThat(Bleu.brevityPenalty(12, 28)).isCloseTo(0.2635971381157267, ROUNDING); // NLTK's documentation
        assertThat(Bleu.brevityPenalty(12, 12)).isEqualTo(1);
        assertThat(Bleu.brevityPenalty(13, 12)).isEqualTo(1);
        assertThat(Bleu.brevityPenalty(0, 12)).isZero();
        // Every run of it is right, and it lacks one word of four: exp(1 - 4/3).
        assertThat(Bleu.bleu2("a b c", "a b c d")).isCloseTo(Math.exp(-1.0 / 3), ROUNDING);
    }

    @Test
    void aWordCountsAtMostAsOftenAsInTheReference() {
        List<String> the = Bleu.words("the the the the the the the");
        List<String> cat = Bleu.words("the cat is on the mat");
        assertThat(Bleu.sentence(the, cat, 1)).isCloseTo(2.0 / 7, ROUNDING); // the paper's §2.1
        // By hand: 4 of 5 words, 2 of 4 pairs, as long as the reference.
        assertThat(Bleu.bleu2("the cat sat the mat", "the cat on the mat")).isCloseTo(Math.sqrt(0.8 * 0.5), ROUNDING);
    }

    @Test
    void withoutASharedPairItIsAsGoodAsNothing() {
        assertThat(Bleu.bleu2("a b", "c d")).isZero();
        assertThat(Bleu.bleu2("", "a b")).isZero();
        assertThat(Bleu.bleu2("a b", "")).isZero();
        assertThat(Bleu.bleu2("", "")).isZero();
        // NLTK does not smooth, but takes the logarithm of the smallest normal number.
        assertThat(Bleu.bleu2("a b", "a c")).isCloseTo(1.0547686614863434e-154, within(1e-164));
        assertThat(Bleu.bleu2("a", "a")).isCloseTo(1.491668146240062e-154, within(1e-164));
    }

    @Test
    void wordsAreCutWherePythonCutsThem() {
        assertThat(Bleu.words(" a\u00a0b\u001cc\u2028d\te\n")).containsExactly("a", "b", "c", "d", "e");
        assertThat(Bleu.words("l'eau, Eau")).containsExactly("l'eau,", "Eau");
        assertThat(Bleu.words("a\u200bb")).containsExactly("a\u200bb"); // no white space for either
        assertThat(Bleu.words(" ")).isEmpty();
    }

    @Property
    void aTextIsItsOwnBestTranslation(
            @ForAll @Size(min = 2, max = 30) List<@StringLength(min = 1, max = 3) String> text) {
        assertThat(Bleu.sentence(text, text, 2)).isCloseTo(1, ROUNDING);
    }

    @Property
    void scoresLieWithin0And1AndAnotherTextIsNeverBetterThanItself(
            @ForAll @Size(max = 12) List<Character> candidate,
            @ForAll @Size(min = 2, max = 12) @UniqueElements List<Character> reference) {
        List<String> words = candidate.stream().map(String::valueOf).toList();
        List<String> right = reference.stream().map(String::valueOf).toList();
        double score = Bleu.sentence(words, right, 2);
        assertThat(score).isBetween(0.0, 1.0 + 1e-12);
        if (score > 1 - 1e-9) {
            assertThat(words).isEqualTo(right);
        }
    }
}
