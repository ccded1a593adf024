package dev.hydrallm.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Values that are not counted by hand here are those that rouge_score's own tests took from ROUGE-1.5.5. */
class RougeTest {
    private static final Offset<Double> FIVE_DIGITS = within(0.5e-5);

    private static final String TARGET =
            "ZfbCUIUuePaiLVUlCaUXxkpu XPeWing tUHfPMuZ',-Xd Y BrUgVJing M-HV.-DgdDaY.rFDJCRing Ht-LM EKBDXkME,yz'RBr"
                    + " q'wtion wIojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxer tKM L";
    private static final String PREDICTION =
            "rFDJCRtion Ht-LM EKtDXkME,yz'RBr q'wer wrojNbN wL,b .a-'XdQggyFl" + " jB-RPP'iyOIcUxi";

    private static void check(Rouge.Score score, double precision, double recall, double f1) {
        assertThat(score.precision()).isCloseTo(precision, FIVE_DIGITS);
        assertThat(score.recall()).isCloseTo(recall, FIVE_DIGITS);
        assertThat(score.f1()).isCloseTo(f1, FIVE_DIGITS);
    }

    @Test
    void itAgreesWithTheOriginalProgram() {
        check(Rouge.ngrams(PREDICTION, TARGET, 1), 0.68750, 0.40741, 0.51163);
        check(Rouge.ngrams(PREDICTION, TARGET, 2), 0.53333, 0.30769, 0.39024);
        check(Rouge.longest(PREDICTION, TARGET), 0.68750, 0.40741, 0.51163);
    }

    @Test
    void shortTextsScoreAsCountedByHand() {
        check(Rouge.ngrams("testing", "testing one two", 1), 1, 1.0 / 3, 0.5);
        check(Rouge.ngrams("testing one", "testing one two", 2), 1, 0.5, 2.0 / 3);
        check(Rouge.longest("testing one", "testing one two"), 1, 2.0 / 3, 0.8);
        check(Rouge.longest("testing two", "testing one two"), 1, 2.0 / 3, 0.8);
        // Lin 2004, §3.1: "police killed the gunman" against its two candidates.
        check(Rouge.longest("police kill the gunman", "police killed the gunman"), 0.75, 0.75, 0.75);
        check(Rouge.longest("the gunman kill police", "police killed the gunman"), 0.5, 0.5, 0.5);
        check(Rouge.ngrams("the gunman kill police", "police killed the gunman", 2), 1.0 / 3, 1.0 / 3, 1.0 / 3);
        // A run counts at most as often as in the other text.
        check(Rouge.ngrams("a a a b", "a b", 1), 0.5, 1, 2.0 / 3);
    }

    @Test
    void withoutWordsThereIsNoScore() {
        for (String text : List.of("", "/", "é")) {
            check(Rouge.ngrams(text, "testing one two", 1), 0, 0, 0);
            check(Rouge.ngrams("testing one two", text, 2), 0, 0, 0);
            check(Rouge.longest(text, "testing one two"), 0, 0, 0);
            check(Rouge.longest("testing one two", text), 0, 0, 0);
        }
    }

    @Test
    void wordsAreSmallLettersAndDigits() {
        assertThat(Rouge.words("The U.S.'s 7-Eleven: naïve!"))
                .containsExactly("the", "u", "s", "s", "7", "eleven", "na", "ve");
    }

    @Property
    void aTextCoversItself(@ForAll @Size(min = 2, max = 20) List<@IntRange(min = 0, max = 5) Integer> numbers) {
        String text = text(numbers);
        for (Rouge.Score score :
                List.of(Rouge.ngrams(text, text, 1), Rouge.ngrams(text, text, 2), Rouge.longest(text, text))) {
            assertThat(score).isEqualTo(new Rouge.Score(1, 1));
            assertThat(score.f1()).isEqualTo(1);
        }
    }

    @Property
    void theOtherWayRoundPrecisionIsRecall(
            @ForAll @Size(max = 12) List<@IntRange(min = 0, max = 4) Integer> a,
            @ForAll @Size(max = 12) List<@IntRange(min = 0, max = 4) Integer> b) {
        Rouge.Score there = Rouge.longest(text(a), text(b));
        Rouge.Score back = Rouge.longest(text(b), text(a));
        assertThat(there.precision()).isEqualTo(back.recall());
        assertThat(there.f1()).isCloseTo(back.f1(), within(1e-12));
        // A common sequence uses each word at most as often as both have it.
        assertThat(there.recall())
                .isLessThanOrEqualTo(Rouge.ngrams(text(a), text(b), 1).recall());
    }

    @Property(tries = 300)
    void theLongestCommonSubsequenceIsThatOfTryingAll(
            @ForAll @Size(max = 8) List<@IntRange(min = 0, max = 3) Integer> a,
            @ForAll @Size(max = 8) List<@IntRange(min = 0, max = 3) Integer> b) {
        int longest = IntStream.range(0, 1 << a.size())
                .filter(chosen -> isSubsequence(
                        IntStream.range(0, a.size())
                                .filter(i -> (chosen >> i & 1) == 1)
                                .mapToObj(a::get)
                                .toList(),
                        b))
                .map(Integer::bitCount)
                .max()
                .orElseThrow();
        assertThat(Rouge.commonSubsequence(words(a), words(b))).isEqualTo(longest);
    }

    private static boolean isSubsequence(List<Integer> sequence, List<Integer> of) {
        int found = 0;
        for (Integer each : of) {
            found += found < sequence.size() && sequence.get(found).equals(each) ? 1 : 0;
        }
        return found == sequence.size();
    }

    private static List<String> words(List<Integer> numbers) {
        return numbers.stream().map(number -> "w" + number).toList();
    }

    private static String text(List<Integer> numbers) {
        return String.join(" ", words(numbers));
    }
}
