package dev.hydrallm.prompt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.hydrallm.prompt.Tokenizers.Beginning;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizerTest {
    private static final Tokenizer DEMO = Tokenizers.demo();
    private static final Tokenizer PIECES = Tokenizers.sentencePiece();
    private static final int BOS = 1;

    private static int[] withoutBos(int[] ids) {
        assertThat(ids[0]).isEqualTo(BOS);
        return Arrays.copyOfRange(ids, 1, ids.length);
    }

    @ParameterizedTest
    @ValueSource(strings = {"</s>", "<s>", "a</s>b", "<unk><s></s>", "hello </s> hello", "</s", "<<s>>"})
    void specialTokensThatAUserTypesAreText(String text) {
        for (Tokenizer tokenizer : List.of(DEMO, PIECES)) {
            int[] ids = withoutBos(tokenizer.encode(text));
            assertThat(ids).doesNotContain(0, 1, 2);
            assertThat(tokenizer.decode(ids)).isEqualTo(text);
        }
    }

    @Property(tries = 300)
    void everyTextComesBack(@ForAll String text) {
        String whole = new String(
                text.codePoints()
                        .filter(point -> point < Character.MIN_SURROGATE || point > Character.MAX_SURROGATE)
                        .toArray(),
                0,
                (int) text.codePoints()
                        .filter(point -> point < Character.MIN_SURROGATE || point > Character.MAX_SURROGATE)
                        .count());
        assertThat(DEMO.decode(DEMO.encode(whole))).isEqualTo(whole);
    }

    @Example
    void emojiAndScriptsAndCombiningMarksComeBack() {
        for (String text :
                List.of("👩‍👩‍👧‍👦 🏳️‍🌈", "漢字かな交じり文", "e\u0301 ǖ", "שלום مرحبا", "hello é", "\u0000\u0007\t\r\n")) {
            assertThat(DEMO.decode(DEMO.encode(text))).isEqualTo(text);
            assertThat(PIECES.decode(PIECES.encode(text))).isEqualTo(text);
        }
    }

    @Test
    void aLongTextIsNotCut() {
        assertThat(DEMO.encode("x = 1\n".repeat(20_000))).hasSizeGreaterThan(20_000);
    }

    @Test
    void bosComesOnceWhereverItComesFrom() {
        try (Tokenizer adds = Tokenizers.demo(Beginning.BOS, BOS);
                Tokenizer addsNothing = Tokenizers.demo(Beginning.NOTHING, BOS);
                Tokenizer hasNone = Tokenizers.demo(Beginning.NOTHING, null)) {
            assertThat(bosOf(adds, "{{ bos_token }}x")).isEqualTo(1);
            assertThat(bosOf(adds, "{{ 'x' }}")).isEqualTo(1);
            assertThat(bosOf(addsNothing, "{{ bos_token }}x")).isEqualTo(1);
            assertThat(bosOf(addsNothing, "{{ 'x' }}")).isZero();
            assertThat(bosOf(hasNone, "{{ bos_token }}x")).isZero();
            assertThat(adds.encode("x")).startsWith(BOS);
            assertThat(addsNothing.encode("x")).doesNotContain(BOS);
        }
    }

    /** How often BOS begins a conversation, with and without special tokens in the question; both must agree. */
    private static int bosOf(Tokenizer tokenizer, String template) {
        ChatTemplate chat = ChatTemplate.of(template + "{{ messages[0].content }}", tokenizer);
        int plain = count(chat.encode(List.of(new Message("user", "y"))));
        int typed = count(chat.encode(List.of(new Message("user", "<s></s>"))));
        assertThat(typed).isEqualTo(plain);
        return plain;
    }

    private static int count(int[] ids) {
        return (int) IntStream.of(ids).filter(id -> id == BOS).count();
    }

    @Test
    void whatIsNoTokenizerIsRefusedByName(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("tokenizer.json");
        for (String content : List.of("", "[]", "{}", "{\"model\": 1}", "{\"added_tokens\": 7")) {
            Files.writeString(file, content);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Tokenizer.load(file, 1, List.of(2)))
                    .withMessageContaining(file.toString());
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tokenizer.load(folder.resolve("absent"), 1, List.of(2)))
                .withMessageContaining("absent");
    }
}
