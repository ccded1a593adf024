package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.testing.Safetensors;
import dev.hydrallm.testing.Shared;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsFileTest {
    private static final String A = Safetensors.entry("F32", List.of(2L), 0, 8);

    @TempDir
    Path directory;

    @Test
    void everyTensorOfAGoodFileIsReadInTheOrderOfItsData() {
        Path file = Safetensors.write(
                directory.resolve("good.safetensors"),
                "{\"__metadata__\":{\"format\":\"pt\"},\"b\":" + Safetensors.entry("U8", List.of(1L, 3L), 8, 11)
                        + ",\"a\":" + A + ",\"none\":" + Safetensors.entry("F16", List.of(0L), 8, 8) + "}   ",
                new byte[] {0, 0, (byte) 0x80, 0x3f, 0, 0, 0, (byte) 0xc0, 7, 8, 9});
        try (SafetensorsFile opened = SafetensorsFile.open(file)) {
            assertThat(opened.names()).containsExactly("a", "none", "b");
            assertThat(opened.tensor("a").data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED))
                    .containsExactly(1, -2);
            assertThat(opened.tensor("b").data().toArray(ValueLayout.JAVA_BYTE)).containsExactly(7, 8, 9);
            assertThat(opened.tensor("b").shape()).containsExactly(1L, 3L);
            assertThat(opened.tensor("none").elements()).isZero();
            assertThat(opened.tensor("a").data().isReadOnly()).isTrue();
        }
    }

    @Test
    void theDemoModelIsRead() {
        try (SafetensorsFile opened = SafetensorsFile.open(Shared.models().resolve("pycoder/model.safetensors"))) {
            assertThat(opened.tensors()).hasSize(146);
            assertThat(opened.tensor("model.embed_tokens.weight").shape()).containsExactly(4096L, 256L);
        }
    }

    @Test
    void aMissingTensorIsAskedForByNameAndFile() {
        Path file = Safetensors.write(directory.resolve("x.safetensors"), "{}", new byte[0]);
        try (SafetensorsFile opened = SafetensorsFile.open(file)) {
            assertThatThrownBy(() -> opened.tensor("norm"))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessage(file + ": tensor norm is missing");
        }
    }

    @Test
    void aMissingFileIsRefused() {
        assertRefused(directory.resolve("nowhere"), "no such file");
    }

    @Test
    void aTruncatedFileIsRefusedWhereverItEnds() {
        byte[] whole = Safetensors.bytes("{\"a\":" + A + "}", new byte[8]);
        for (int length = 0; length < whole.length; length++) {
            Path file = Safetensors.write(directory.resolve("short"), Arrays.copyOf(whole, length));
            assertRefused(file, "truncated");
        }
    }

    @ParameterizedTest
    @CsvSource({"16000001", "9223372036854775807", "-1"})
    void anOversizedHeaderIsRefusedBeforeItIsRead(long length) {
        byte[] bytes = ByteBuffer.allocate(64)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .array();
        assertRefused(Safetensors.write(directory.resolve("header"), bytes), "a header of");
    }

    @Test
    void overlappingTensorsAreRefused() {
        assertRefused(
                header("\"a\":" + A + ",\"b\":" + Safetensors.entry("F32", List.of(2L), 4, 12)),
                12,
                "tensor b",
                "inside the one before");
    }

    @Test
    void aHoleIsRefused() {
        assertRefused(
                header("\"a\":" + A + ",\"b\":" + Safetensors.entry("U8", List.of(1L), 9, 10)), 10, "tensor b", "hole");
    }

    @Test
    void aFirstTensorThatDoesNotBeginTheDataIsRefused() {
        assertRefused(header("\"a\":" + Safetensors.entry("U8", List.of(1L), 1, 2)), 2, "tensor a", "hole");
    }

    @Test
    void bytesAfterTheLastTensorAreRefused() {
        assertRefused(header("\"a\":" + A), 9, "1 bytes after the last tensor");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "F32 | 3                        | 0 | 8                   | needs 12 bytes",
                "F16 | 2                        | 0 | 8                   | needs 4 bytes",
                "I7  | 2                        | 0 | 8                   | dtype I7 is not supported",
                "F4  | 2                        | 0 | 8                   | dtype F4 is not supported",
                "F32 | 2                        | 8 | 0                   | needs 8 bytes",
                "F32 | 2                        | 0 | 9223372036854775807 | needs 8 bytes",
                "F32 | 4611686018427387904      | 0 | 0                   | too large",
                "F32 | 4294967296,4294967296    | 0 | 0                   | too large",
                "F32 | 9223372036854775807,0    | 0 | 0                   | too large",
                "F32 | -2                       | 0 | 8                   | whole number from 0 on",
                "F32 | 2.0                      | 0 | 8                   | whole number from 0 on",
                "F32 | 99999999999999999999     | 0 | 8                   | out of range",
                "F32 | 1,1,1,1,1,1,1,1,2        | 0 | 8                   | more than 8 axes",
            })
    void aShapeThatDoesNotFitItsBytesIsRefused(String dtype, String shape, String begin, String end, String message) {
        String entry =
                "{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + begin + "," + end + "]}";
        assertRefused(header("\"a\":" + entry), 8, message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "{\"a\":A,\"a\":A}                                                    | Duplicate field 'a'",
                "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}                         | Duplicate field 'dtype'",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}                            | tensor a needs",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}       | tensor a needs",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"offset\":[0,8]}}           | unknown field offset",
                "{\"a\":{\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]}}   | whole number",
                "{\"a\":{\"dtype\":5}}                                               | expected VALUE_STRING",
                "{\"a\":[]}                                                          | expected START_OBJECT",
                "{\"__metadata__\":{\"format\":1},\"a\":A}                           | expected VALUE_STRING",
                "{\"a\":A} {}                                                        | something follows",
                "{\"a\":A                                                            | header is broken",
                "[]                                                                  | no JSON object",
            })
    void aHeaderThatIsNotExactlyTheFormatIsRefused(String header, String message) {
        assertRefused(header.replace("A", A), 8, message);
    }

    @Test
    void aLineBreakInANameCannotForgeALine() {
        assertThatThrownBy(() -> open(header("\"a\\nERROR\":" + Safetensors.entry("F32", List.of(1L), 0, 8)), 8))
                .isInstanceOf(ModelFormatException.class)
                .message()
                .contains("tensor a\\u000aERROR")
                .doesNotContain("\n");
    }

    private static String header(String entries) {
        return "{" + entries + "}";
    }

    private void assertRefused(String header, int dataLength, String... parts) {
        assertThatThrownBy(() -> open(header, dataLength))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(directory.toString())
                .hasMessageContainingAll(parts);
    }

    private void assertRefused(Path file, String part) {
        assertThatThrownBy(() -> SafetensorsFile.open(file).close())
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(part);
    }

    private void open(String header, int dataLength) {
        SafetensorsFile.open(Safetensors.write(directory.resolve("bad"), header, new byte[dataLength]))
                .close();
    }
}
