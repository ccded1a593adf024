package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.prompt.TextAssembler.End;
import dev.hydrallm.prompt.TextAssembler.Piece;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;

/** Laws of a text that grows token by token. */
class TextAssemblerTest {
    private static final Tokenizer DEMO = Tokenizers.demo();
    private static final Tokenizer PIECES = Tokenizers.sentencePiece();

    /** The demo tokenizer's tokens of single bytes of characters beyond ASCII, and some whole words. */
    @Provide
    Arbitrary<int[]> anyIds() {
        Arbitrary<Integer> bytes = Arbitraries.integers().between(97, 258);
        return Arbitraries.oneOf(bytes, Arbitraries.integers().between(0, 4095))
                .array(int[].class)
                .ofMaxSize(40);
    }

    @Provide
    Arbitrary<String> texts() {
        return Arbitraries.of(
                        "hello", " ", "h", "é", "漢", "👩‍👧", "e\u0301", "</s>", "\n", "STOP", "ST", "🏳️‍🌈", "Ω")
                .list()
                .ofMaxSize(20)
                .map(parts -> String.join("", parts));
    }

    @Provide
    Arbitrary<List<String>> stops() {
        return Arbitraries.of("STOP", "ST", "hello h", "漢", "\u0301", "👩", "TOPS", "lo", "l", "\n\n")
                .list()
                .ofMaxSize(3);
    }

    private static List<Piece> pieces(TextAssembler assembler, int[] ids) {
        List<Piece> pieces = new ArrayList<>();
        IntStream.of(ids).forEach(id -> pieces.add(assembler.push(id)));
        pieces.add(assembler.finish());
        return pieces;
    }

    private static String joined(List<Piece> pieces) {
        return String.join("", pieces.stream().map(Piece::text).toList());
    }

    @Property(tries = 500)
    void piecesOfAnyBytesMakeTheWholeText(@ForAll("anyIds") int[] ids) {
        assertThat(joined(pieces(new TextAssembler(DEMO, List.of()), ids))).isEqualTo(DEMO.decode(ids));
    }

    @Property(tries = 500)
    void noPieceHoldsAPartOfACharacter(@ForAll("texts") String text) {
        for (Tokenizer tokenizer : List.of(DEMO, PIECES)) {
            List<Piece> pieces = pieces(new TextAssembler(tokenizer, List.of()), tokenizer.encode(text));
            assertThat(joined(pieces)).isEqualTo(text);
            assertThat(pieces).allSatisfy(piece -> {
                assertThat(piece.text()).doesNotContain("\uFFFD");
                assertThat(piece.text().isEmpty()
                                || !Character.isLowSurrogate(piece.text().charAt(0)))
                        .isTrue();
            });
        }
    }

    @Property(tries = 1000)
    void textEndsBeforeTheFirstCompleteStop(@ForAll("texts") String text, @ForAll("stops") List<String> stops) {
        String expected = cut(text, stops);
        for (Tokenizer tokenizer : List.of(DEMO, PIECES)) {
            List<Piece> pieces = pieces(new TextAssembler(tokenizer, stops), tokenizer.encode(text));
            assertThat(joined(pieces)).isEqualTo(expected);
            assertThat(pieces.getLast().end()).isEqualTo(expected.equals(text) ? End.OPEN : End.STOPPED);
        }
    }

    /** Character by character: the stop that is complete first, the longest of those complete together. */
    private static String cut(String text, List<String> stops) {
        for (int end = 1; end <= text.length(); end++) {
            String begun = text.substring(0, end);
            int longest = stops.stream()
                    .filter(begun::endsWith)
                    .mapToInt(String::length)
                    .max()
                    .orElse(0);
            if (longest > 0) {
                return begun.substring(0, end - longest);
            }
        }
        return text;
    }

    @Property(tries = 300)
    void whatWasGivenIsNeverABeginningOfTheStopThatComes(@ForAll("texts") String text) {
        String expected = cut(text, List.of("STOP"));
        TextAssembler assembler = new TextAssembler(DEMO, List.of("STOP"));
        StringBuilder given = new StringBuilder();
        for (int id : DEMO.encode(text)) {
            given.append(assembler.push(id).text());
            assertThat(expected).startsWith(given.toString());
        }
    }

    @Example
    void aStopThatIsABeginningOfOtherTextIsGivenAtTheEnd() {
        TextAssembler assembler = new TextAssembler(DEMO, List.of("hello!"));
        assertThat(joined(pieces(assembler, DEMO.encode("say hello")))).isEqualTo("say hello");
    }

    @Example
    void nothingComesAfterAStop() {
        TextAssembler assembler = new TextAssembler(DEMO, List.of("l"));
        List<Piece> pieces = pieces(assembler, DEMO.encode("hello world"));
        assertThat(joined(pieces)).isEqualTo("he");
        assertThat(assembler.push(5)).isEqualTo(new Piece("", End.STOPPED));
    }

    @Example
    void anUnfinishedCharacterShowsOnlyAtTheEnd() {
        int[] ids = DEMO.encode("a漢");
        int[] torn = IntStream.of(ids).limit(ids.length - 1).toArray();
        List<Piece> pieces = pieces(new TextAssembler(DEMO, List.of()), torn);
        assertThat(joined(pieces.subList(0, torn.length))).isEqualTo("a");
        assertThat(joined(pieces)).isEqualTo(DEMO.decode(torn)).contains("\uFFFD");
    }

    @Property(tries = 20)
    void costOfATokenDoesNotGrow(@ForAll("anyIds") int[] ids) {
        TextAssembler assembler = new TextAssembler(DEMO, List.of("never to be found"));
        for (int round = 0; round < 20; round++) {
            for (int id : ids) {
                assembler.push(id);
                assertThat(assembler.keptTokens()).isLessThanOrEqualTo(64);
            }
        }
    }
}
