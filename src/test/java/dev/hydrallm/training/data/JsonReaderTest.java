package dev.hydrallm.training.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.SequenceInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonReaderTest {
    private static final String GOOD = "{\"text\":\"x\"}";

    private static List<Entry> read(String content) throws IOException {
        List<Entry> entries = new ArrayList<>();
        new JsonReader(Path.of("a.json"), entries::add)
                .read(new ByteArrayInputStream(content.getBytes(StandardCharsets.UTF_8)));
        return entries;
    }

    private static String text(Entry entry) {
        return ((Document.Text) ((Entry.Found) entry).document()).text();
    }

    /** What stands between two good ones hides neither. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"text\" 2}",
                "{\"text\":\"a\\qb\"}",
                "{'text':'x'}",
                "{\"text\":\"line\nline\"}",
                "{\"text\":[\"x\"}",
                "{\"text\":\"x\"}}",
                "{\"text\":\"x\"} {\"text\":\"y\"}",
                "None",
                "{\"text\":\"\\\"]}, [\" \\ }",
                "",
            })
    void anElementThatIsNoJsonIsDroppedAlone(String bad) throws IOException {
        List<Entry> entries = read("[ " + GOOD + ",\n" + bad + ",\n" + "{\"text\":\"]},[{ \\\" é\"} ]");
        assertThat(entries).hasSize(3);
        assertThat(text(entries.getFirst())).isEqualTo("x");
        assertThat(entries.get(1)).isEqualTo(new Entry.Bad(Drop.NO_JSON, "a.json #2"));
        assertThat(text(entries.getLast())).isEqualTo("]},[{ \" é");
    }

    /** Nothing that is behind it is lost without a word. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "[{\"text\":\"x\"},{\"text\":\"y\",{\"text\":\"z\"}]   | ends at byte 38 before its element that begins at byte 14",
                "[{\"text\":\"x\"},{\"text\":[\"y\",{\"text\":\"z\"}]  | at byte 40, nor its element that begins at byte 14",
                "[{\"text\":\"x\"},{\"text\":\"y},{\"text\":\"z\"}]   | begins at byte 14",
            })
    void anElementWithoutAnEndEndsTheFile(String content, String message) {
        assertThatExceptionOfType(DataFormatException.class)
                .isThrownBy(() -> read(content))
                .withMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "hello world              | no JSON at byte 0",
                "`  \n x`                 | no JSON at byte 4",
                "[{\"b\" 2}]              | the first element is no JSON at byte",
                "[{\"text\":\"abc\"},     | at byte 16",
                "{\"text\": oops}         | the first line is no JSON (an object must be on one line) at byte",
                "{                        | the first line is no JSON",
                "``                       | there is nothing in it",
            })
    void aFileThatIsNoJsonIsRefusedWithTheOffset(String content, String message) {
        assertThatExceptionOfType(DataFormatException.class)
                .isThrownBy(() -> read(content))
                .withMessageContainingAll("a.json", message);
    }

    /** The parser refuses it without saying where. */
    @Test
    void whatIsTooDeepIsDroppedUnlessItIsTheFirst() throws IOException {
        String deep = "{\"a\":".repeat(2000) + "1" + "}".repeat(2000);
        assertThat(read("[" + GOOD + "," + deep + "," + GOOD + "]"))
                .hasSize(3)
                .contains(new Entry.Bad(Drop.NO_JSON, "a.json #2"));
        assertThat(read(GOOD + "\n" + deep + "\n" + GOOD)).hasSize(3).contains(new Entry.Bad(Drop.NO_JSON, "a.json:2"));
        assertThatExceptionOfType(DataFormatException.class)
                .isThrownBy(() -> read(deep))
                .withMessageContainingAll(
                        "the first line is no JSON (an object must be on one line) at byte 0", "nesting depth");
        assertThatExceptionOfType(DataFormatException.class)
                .isThrownBy(() -> read("[" + deep + "]"))
                .withMessageContainingAll("the first element is no JSON at byte", "nesting depth");
    }

    @Test
    void whatIsTooLongIsDroppedAlone() throws IOException {
        byte[] begin = ("[" + GOOD + ",{\"text\":\"").getBytes(StandardCharsets.UTF_8);
        byte[] filling = new byte[65 << 20];
        Arrays.fill(filling, (byte) 'x');
        byte[] end = ("\"}," + GOOD + "]").getBytes(StandardCharsets.UTF_8);
        List<Entry> entries = new ArrayList<>();
        new JsonReader(Path.of("a.json"), entries::add)
                .read(new java.io.BufferedInputStream(new SequenceInputStream(
                        new SequenceInputStream(new ByteArrayInputStream(begin), new ByteArrayInputStream(filling)),
                        new ByteArrayInputStream(end))));
        assertThat(entries).hasSize(3).contains(new Entry.Bad(Drop.TOO_LONG, "a.json #2"));
    }

    @Test
    void anEmptyArrayHasNoElements() throws IOException {
        assertThat(read("[ \n ]")).isEmpty();
    }

    @Property(tries = 300)
    void textsOfAnyCharactersComeBack(@ForAll @Size(max = 6) List<String> texts, @ForAll @IntRange(max = 2) int spaces)
            throws IOException {
        ArrayNode array = JsonNodeFactory.instance.arrayNode();
        texts.forEach(text -> array.addObject().put("text", "-" + text));
        String json = spaces == 0 ? array.toString() : array.toPrettyString();
        assertThat(read(json).stream().map(JsonReaderTest::text))
                .containsExactlyElementsOf(
                        texts.stream().map(text -> "-" + wellFormed(text)).toList());
    }

    private static String wellFormed(String text) {
        return new String(text.getBytes(StandardCharsets.UTF_16), StandardCharsets.UTF_16);
    }
}
