package dev.hydrallm.decoding;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class TextLookupTest {
    private static TextLookup of(int... text) {
        TextLookup lookup = new TextLookup();
        Arrays.stream(text).forEach(lookup::add);
        return lookup;
    }

    @Test
    void aNewTextForetellsNothing() {
        assertThat(of().matched()).isZero();
        assertThat(of(7).matched()).isZero();
        assertThat(of(1, 2, 3, 4, 5, 2).matched()).isZero();
    }

    @Test
    void whatFollowedTwoTokensIsForetold() {
        TextLookup lookup = of(9, 1, 2, 3, 4, 8, 1, 2);
        assertThat(lookup.matched()).isEqualTo(2);
        assertThat(lookup.next(3)).containsExactly(3, 4, 8);
        assertThat(lookup.foretells(3)).isTrue();
        assertThat(lookup.foretells(4)).isFalse();
    }

    @Test
    void moreTokensThatAreTheSameAreSeen() {
        assertThat(of(5, 6, 1, 2, 3, 0, 5, 6, 1, 2).matched()).isEqualTo(4);
        assertThat(of(5, 6, 1, 2, 3, 0, 7, 6, 1, 2).matched()).isEqualTo(3);
    }

    @Test
    void theLastOfSeveralPlacesCounts() {
        assertThat(of(1, 2, 3, 1, 2, 4, 1, 2).next(1)).containsExactly(4);
    }

    @Test
    void aPlaceIsFollowedWhileItIsRight() {
        // Behind "2 3" stood 9 last, but the text goes on as it did behind "1 2".
        TextLookup lookup = of(1, 2, 3, 4, 5, 2, 3, 9, 1, 2, 3);
        assertThat(lookup.matched()).isEqualTo(3);
        assertThat(lookup.next(1)).containsExactly(4);
        lookup.add(9);
        assertThat(lookup.next(1)).as("it did not: what followed \"3 9\"").containsExactly(1);
    }

    @Test
    void aPeriodGoesRound() {
        assertThat(of(4, 1, 2, 1, 2, 1).next(5)).containsExactly(2, 1, 2, 1, 2);
        assertThat(of(4, 4, 4).next(4)).containsExactly(4, 4, 4, 4);
    }

    @Property(tries = 300)
    void whatIsForetoldStoodThere(
            @ForAll @Size(max = 400) @IntRange(max = 3) int[] text, @ForAll @IntRange(min = 1, max = 20) int count) {
        TextLookup lookup = new TextLookup();
        for (int length = 1; length <= text.length; length++) {
            lookup.add(text[length - 1]);
            int[] read = Arrays.copyOf(text, length);
            if (lookup.matched() == 0) {
                continue;
            }
            int[] next = lookup.next(count);
            int[] both = Arrays.copyOf(read, length + count);
            System.arraycopy(next, 0, both, length, count);
            assertThat(lookup.foretells(next[0])).isTrue();
            assertThat(occursBefore(both, length, lookup.matched()))
                    .as("%s then %s", Arrays.toString(read), Arrays.toString(next))
                    .isTrue();
        }
    }

    /** Whether what is foretold stands somewhere before with as many of the text's last tokens before it. */
    private static boolean occursBefore(int[] both, int length, int matched) {
        for (int end = matched; end < length; end++) {
            if (Arrays.equals(both, end - matched, both.length - (length - end), both, length - matched, both.length)) {
                return true;
            }
        }
        return false;
    }
}
