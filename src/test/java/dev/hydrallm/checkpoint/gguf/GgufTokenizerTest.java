package dev.hydrallm.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.prompt.Tokenizer;
import dev.hydrallm.testing.Gguf;
import dev.hydrallm.testing.TinyGguf;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Tokenizers out of metadata, loaded by the library that the program encodes with. */
class GgufTokenizerTest {
    private static final Path DEMO_JSON = Path.of("models", "demo", "tokenizer.json");
    private static final Tokenizer DEMO = Tokenizer.load(DEMO_JSON, 1, List.of(2));
    private static final Tokenizer AGAIN = tokenizer(TinyGguf.tokenizer(new Gguf(), DEMO_JSON));
    private static final int FIRST_BYTE = 3;

    @Example
    void theDemoModelsTokenizerComesBackOfItsMetadata() throws IOException {
        List<String> texts = new ArrayList<>(List.of(
                "",
                " ",
                "\n\n\t  x",
                "def add(a, b):\n    return a + b\n",
                "class A(B):\n\t'''It's \"quoted\", we'll see'''\n\tx: int = 0xFF_00  # 12345\n",
                "f'{x!r:>10}' if x else None; λ = lambda: …",
                "👩‍👩‍👧‍👦 漢字かな交じり文 e\u0301 ǖ שלום مرحبا\u0000\u0007\r\n",
                "a</s>b<s> <unk>"));
        for (Path source : List.of(Path.of("pom.xml"), Path.of("README.md"))) {
            texts.add(Files.readString(source));
        }
        for (String text : texts) {
            assertThat(AGAIN.encode(text)).as(text).isEqualTo(DEMO.encode(text));
            assertThat(AGAIN.decode(AGAIN.encode(text))).isEqualTo(text);
        }
    }

    @Property(tries = 500)
    void anyTextHasTheSameIds(@ForAll String text) {
        String whole = text.codePoints()
                .filter(point -> point < Character.MIN_SURROGATE || point > Character.MAX_SURROGATE)
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
                .toString();
        assertThat(AGAIN.encode(whole)).isEqualTo(DEMO.encode(whole));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "gpt-2     | x 1234   | x Ġ 1234",
                "llama-bpe | x 1234   | <s> x Ġ 123 4",
                "llama3    | x 1234   | <s> x Ġ 123 4",
                "qwen2     | x 1234   | x Ġ 1 2 3 4",
                "smollm    | x 1234   | x Ġ 1 2 3 4",
                "default   | x 1234   | x Ġ 123 4",
                // A word without merges that is a token all the same.
                "gpt-2     | zz       | z z",
                "llama-bpe | zz       | <s> zz",
                // Punctuation and letters: of Llama 3 and Qwen one word, of the others two.
                "gpt-2     | .xx      | . xx",
                "llama-bpe | .xx      | <s> .xx",
                "qwen2     | .xx      | .xx",
                "smollm    | .xx      | . xx",
                "default   | .xx      | . xx",
                // Two signs: all but the older default keep them with the space before.
                "gpt-2     | x ..     | x Ġ..",
                "default   | x ..     | x Ġ ..",
            })
    void aTextIsSplitAsTheNamedPreTokenizerDoes(String pre, String text, String tokens) {
        List<String> vocabulary = byteLevel();
        try (Tokenizer tokenizer = tokenizer(bytePairs(vocabulary).put("tokenizer.ggml.pre", pre))) {
            assertThat(Arrays.stream(tokenizer.encode(text)).mapToObj(vocabulary::get))
                    .containsExactlyElementsOf(List.of(tokens.split(" ", -1)));
            assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
        }
    }

    @Test
    void qwenComposesCharacters() {
        List<String> vocabulary = byteLevel();
        try (Tokenizer qwen = tokenizer(bytePairs(vocabulary).put("tokenizer.ggml.pre", "qwen2"));
                Tokenizer gpt2 = tokenizer(bytePairs(vocabulary).put("tokenizer.ggml.pre", "gpt-2"))) {
            assertThat(qwen.encode("e\u0301")).isEqualTo(qwen.encode("\u00e9")).hasSize(2);
            assertThat(gpt2.encode("e\u0301")).hasSize(3);
        }
    }

    @Test
    void bosIsAddedAsTheFileSays() {
        Gguf llama = bytePairs(byteLevel()).put("tokenizer.ggml.pre", "llama-bpe");
        try (Tokenizer without = tokenizer(llama.put("tokenizer.ggml.add_bos_token", false))) {
            assertThat(without.encode("x")).hasSize(1);
        }
        Gguf gpt2 = bytePairs(byteLevel()).put("tokenizer.ggml.pre", "gpt-2");
        try (Tokenizer with = tokenizer(gpt2.put("tokenizer.ggml.add_bos_token", true))) {
            assertThat(with.encode("x")).hasSize(2).startsWith(0);
        }
    }

    @Test
    void piecesAreMergedInTheOrderOfTheirScores() {
        Pieces pieces = new Pieces();
        try (Tokenizer tokenizer = tokenizer(pieces.gguf())) {
            // ▁ h e l l o → he (−1) → ll (−2) → ▁he (−3) → llo (−4) → ▁hello (−5)
            assertThat(tokenizer.encode("hello")).containsExactly(1, pieces.id("▁hello"));
            // bc (−1.5) goes before ab (−2.5), which a search for the longest would have taken.
            assertThat(tokenizer.encode("abc")).containsExactly(1, pieces.id("▁"), pieces.id("a"), pieces.id("bc"));
            assertThat(tokenizer.encode("ab")).containsExactly(1, pieces.id("▁"), pieces.id("ab"));
            // Of equal ones the leftmost.
            assertThat(tokenizer.encode("lll")).containsExactly(1, pieces.id("▁"), pieces.id("ll"), pieces.id("l"));
            // A space of its own before what has one already.
            assertThat(tokenizer.encode(" a")).containsExactly(1, pieces.id("▁"), pieces.id("▁"), pieces.id("a"));
            assertThat(tokenizer.encode("a hello"))
                    .containsExactly(1, pieces.id("▁"), pieces.id("a"), pieces.id("▁hello"));
        }
    }

    @Test
    void whatIsNoPieceFallsApartIntoBytes() {
        Pieces pieces = new Pieces();
        try (Tokenizer tokenizer = tokenizer(pieces.gguf())) {
            assertThat(tokenizer.encode("é")).containsExactly(1, pieces.id("▁"), FIRST_BYTE + 0xc3, FIRST_BYTE + 0xa9);
            assertThat(tokenizer.encode("\n")).containsExactly(1, pieces.id("▁"), FIRST_BYTE + '\n');
            // Typed, a control token is text, and so is the name of a byte.
            assertThat(tokenizer.encode("</s>"))
                    .containsExactly(
                            1, pieces.id("▁"), FIRST_BYTE + '<', FIRST_BYTE + '/', FIRST_BYTE + 's', FIRST_BYTE + '>');
            assertThat(tokenizer.encode("<0x0A>")).hasSize(8).doesNotContain(FIRST_BYTE + 0x0a);
            for (String text : List.of("hello abc  é👩‍👧", " a", "</s>\n\n", "▁")) {
                String expected = text.replace('▁', ' ');
                assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(expected);
            }
        }
    }

    @Test
    void aTokenThatAUserDefinedIsWhole() {
        Pieces pieces = new Pieces();
        try (Tokenizer tokenizer = tokenizer(pieces.gguf())) {
            assertThat(tokenizer.encode("a<tool>"))
                    .containsExactly(1, pieces.id("▁"), pieces.id("a"), pieces.id("<tool>"));
        }
    }

    @Test
    void noSpaceIsPutBeforeATextWhereTheFileSaysSo() {
        Pieces pieces = new Pieces();
        try (Tokenizer tokenizer = tokenizer(pieces.gguf().put("tokenizer.ggml.add_space_prefix", false))) {
            assertThat(tokenizer.encode("ab")).containsExactly(1, pieces.id("ab"));
            assertThat(tokenizer.decode(tokenizer.encode(" ab"))).isEqualTo(" ab");
        }
    }

    static Stream<Arguments> unusable() {
        return Stream.of(
                refused(g -> g.put("tokenizer.ggml.model", "bert"), "tokenizer.ggml.model \"bert\" is not supported"),
                refused(g -> g.put("tokenizer.ggml.pre", "tekken"), "tokenizer.ggml.pre \"tekken\" is not supported"),
                refused(g -> g.without("tokenizer.ggml.tokens"), "metadata tokenizer.ggml.tokens is missing"),
                refused(g -> g.without("tokenizer.ggml.merges"), "metadata tokenizer.ggml.merges is missing"),
                refused(g -> g.strings("tokenizer.ggml.merges", List.of("1 x")), "the merge \"1 x\" is not of two"),
                refused(g -> g.strings("tokenizer.ggml.merges", List.of("12")), "the merge \"12\" is not of two"),
                refused(
                        g -> g.strings("tokenizer.ggml.tokens", List.of("a", "b", "a"))
                                .without("tokenizer.ggml.token_type"),
                        "the token \"a\" stands twice"),
                refused(g -> g.integers("tokenizer.ggml.token_type", List.of(1)), "1 token types of "),
                refused(
                        g -> g.strings("tokenizer.ggml.tokens", List.of("a"))
                                .integers("tokenizer.ggml.token_type", List.of(7)),
                        "token_type holds the unknown type 7"),
                refused(g -> g.put("tokenizer.ggml.add_eos_token", true), "add_eos_token: an end token after"),
                refused(
                        g -> g.without("tokenizer.ggml.bos_token_id").put("tokenizer.ggml.add_bos_token", true),
                        "add_bos_token without a tokenizer.ggml.bos_token_id"),
                refused(
                        g -> g.put("tokenizer.ggml.bos_token_id", 100_000).put("tokenizer.ggml.add_bos_token", true),
                        "bos_token_id is 100000, outside the "),
                refused(g -> g.put("tokenizer.ggml.model", "llama"), "0 scores (tokenizer.ggml.scores) of "),
                refused(
                        g -> g.put("tokenizer.ggml.model", "llama")
                                .put("tokenizer.ggml.remove_extra_whitespaces", true),
                        "remove_extra_whitespaces is not supported"));
    }

    private static Arguments refused(UnaryOperator<Gguf> change, String message) {
        return Arguments.of(change, message);
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("unusable")
    void whatIsNoTokenizerIsRefusedByName(UnaryOperator<Gguf> change, String message) {
        Gguf gguf = change.apply(bytePairs(byteLevel()).put("tokenizer.ggml.pre", "gpt-2"));
        assertThatThrownBy(() -> json(gguf))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageContaining(".gguf: ")
                .hasMessageContaining(message);
    }

    @Test
    void aFileWithoutATokenizerHasNone() {
        assertThat(json(new Gguf())).isEmpty();
    }

    /** BOS, the 256 characters that stand for bytes, and some longer tokens. */
    private static List<String> byteLevel() {
        List<String> tokens = new ArrayList<>(List.of("<s>"));
        int next = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
            tokens.add(String.valueOf((char) (printable ? b : next++)));
        }
        tokens.addAll(List.of("12", "123", "1234", "zz", "xx", ".xx", "..", "Ġ.."));
        return tokens;
    }

    private static Gguf bytePairs(List<String> tokens) {
        List<Integer> types = new ArrayList<>(java.util.Collections.nCopies(tokens.size(), 1));
        types.set(0, 3);
        return new Gguf()
                .put("tokenizer.ggml.model", "gpt2")
                .strings("tokenizer.ggml.tokens", tokens)
                .integers("tokenizer.ggml.token_type", types)
                .strings("tokenizer.ggml.merges", List.of("1 2", "12 3", "123 4", "x x", ". xx", ". .", "Ġ .."))
                .put("tokenizer.ggml.bos_token_id", 0);
    }

    /** A small vocabulary in SentencePiece's manner. */
    private static final class Pieces {
        private final List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
        private final List<Integer> types = new ArrayList<>(List.of(2, 3, 3));
        private final List<Float> scores = new ArrayList<>(List.of(0f, 0f, 0f));

        Pieces() {
            for (int b = 0; b < 256; b++) {
                add("<0x%02X>".formatted(b), 6, 0);
            }
            Map<String, Float> pieces = new LinkedHashMap<>();
            for (String letter : List.of("▁", "h", "e", "l", "o", "a", "b", "c")) {
                pieces.put(letter, -100f - pieces.size());
            }
            pieces.put("▁hello", -5f);
            pieces.put("llo", -4f);
            pieces.put("▁he", -3f);
            pieces.put("ab", -2.5f);
            pieces.put("ll", -2f);
            pieces.put("bc", -1.5f);
            pieces.put("he", -1f);
            pieces.forEach((piece, score) -> add(piece, 1, score));
            add("<tool>", 4, 0);
        }

        private void add(String token, int type, float score) {
            tokens.add(token);
            types.add(type);
            scores.add(score);
        }

        int id(String token) {
            return tokens.indexOf(token);
        }

        Gguf gguf() {
            return new Gguf()
                    .put("tokenizer.ggml.model", "llama")
                    .strings("tokenizer.ggml.tokens", tokens)
                    .integers("tokenizer.ggml.token_type", types)
                    .floats("tokenizer.ggml.scores", scores)
                    .put("tokenizer.ggml.bos_token_id", 1)
                    .put("tokenizer.ggml.eos_token_id", 2);
        }
    }

    private static Tokenizer tokenizer(Gguf gguf) {
        try {
            Path file = Files.createTempFile("tokenizer", ".json");
            Files.write(file, json(gguf).orElseThrow());
            Tokenizer tokenizer = Tokenizer.load(file, 1, List.of(2));
            Files.delete(file);
            return tokenizer;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static java.util.Optional<byte[]> json(Gguf gguf) {
        try {
            Path path = Files.createTempFile("tokenizer", ".gguf");
            gguf.write(path);
            try (GgufFile file = GgufFile.open(path)) {
                return GgufTokenizer.json(file.metadata());
            } finally {
                Files.delete(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
