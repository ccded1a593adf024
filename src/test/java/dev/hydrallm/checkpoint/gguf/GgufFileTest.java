package dev.hydrallm.checkpoint.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.quantization.GgmlFormat;
import dev.hydrallm.testing.Gguf;
import dev.hydrallm.testing.Safetensors;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TinyGguf;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufFileTest {
    private static final List<Long> SHAPE = List.of(2L, 32L);

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void bothVersionsAreRead(int version) {
        TestTensor matrix = TestTensor.random(DType.F16, 1, 3, 5);
        Path path = new Gguf()
                .version(version)
                .put("a.text", "çé")
                .put("a.count", 7)
                .put("a.float", 1e-5f)
                .put("a.flag", true)
                .integers("a.list", List.of(-1, 2))
                .strings("a.texts", List.of("", "x"))
                .tensor("m", matrix)
                .tensor("q", 8, SHAPE, q8())
                .write(directory.resolve("a.gguf"));
        try (GgufFile file = GgufFile.open(path)) {
            assertThat(file.metadata().text("a.text")).contains("çé");
            assertThat(file.metadata().integer("a.count")).contains(7L);
            assertThat(file.metadata().number("a.float")).contains(1e-5);
            assertThat(file.metadata().flag("a.flag")).contains(true);
            assertThat(file.metadata().integers("a.list")).containsExactly(-1L, 2L);
            assertThat(file.metadata().texts("a.texts")).containsExactly("", "x");
            assertThat(file.metadata().text("b")).isEmpty();
            assertThat(file.tensors().keySet()).containsExactly("m", "q");
            GgufTensor m = tensor(file, "m");
            assertThat(m.shape()).containsExactly(3L, 5L);
            assertThat(row(m, 2)).isEqualTo(Arrays.copyOfRange(matrix.values(), 10, 15));
            GgufTensor q = tensor(file, "q");
            assertThat(q.format()).isEqualTo(GgmlFormat.Q8_0);
            assertThat(row(q, 0)[0]).isEqualTo(3);
            assertThat(row(q, 1)[0]).isEqualTo(-4);
        }
    }

    @Test
    void everyTypeOfValueIsRead() {
        Gguf gguf = new Gguf();
        int[] bytes = {1, 1, 2, 2, 4, 4};
        for (int type = 0; type < bytes.length; type++) {
            int size = bytes[type];
            gguf.value("v" + type, type, out -> Gguf.number(out, -2, size));
        }
        gguf.value("v10", 10, out -> Gguf.number(out, Long.MAX_VALUE, 8));
        gguf.value("v11", 11, out -> Gguf.number(out, Long.MIN_VALUE, 8));
        gguf.value("v12", 12, out -> Gguf.number(out, Double.doubleToRawLongBits(0.1), 8));
        try (GgufFile file = GgufFile.open(gguf.write(directory.resolve("a.gguf")))) {
            List<Long> expected = List.of(254L, -2L, 65_534L, -2L, 4_294_967_294L, -2L);
            for (int type = 0; type < bytes.length; type++) {
                assertThat(file.metadata().integer("v" + type)).contains(expected.get(type));
            }
            assertThat(file.metadata().integer("v10")).contains(Long.MAX_VALUE);
            assertThat(file.metadata().integer("v11")).contains(Long.MIN_VALUE);
            assertThat(file.metadata().number("v12")).contains(0.1);
        }
    }

    @Test
    void aValueAskedForAsWhatItIsNotIsNamed() {
        Path path = new Gguf()
                .put("text", "x".repeat(101))
                .integers("list", List.of(1, 2))
                .write(directory.resolve("a.gguf"));
        try (GgufFile file = GgufFile.open(path)) {
            GgufMetadata metadata = file.metadata();
            assertThatThrownBy(() -> metadata.integer("text"))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessage(path + ": metadata text is a text of 101 characters, not a whole number");
            assertThatThrownBy(() -> metadata.integer("list")).hasMessageContaining("list is a list of 2, not a whole");
            assertThatThrownBy(() -> metadata.texts("list"))
                    .hasMessageContaining("is a list of 2, not a list of texts");
        }
    }

    @Test
    void anAlignmentOfItsOwnIsHonoured() {
        Path path = new Gguf()
                .alignment(128)
                .tensor("a", 8, SHAPE, q8())
                .tensor("b", 8, SHAPE, q8())
                .write(directory.resolve("a.gguf"));
        try (GgufFile file = GgufFile.open(path)) {
            assertThat(row(tensor(file, "b"), 1)[0]).isEqualTo(-4);
        }
    }

    static Stream<Arguments> hostile() {
        return Stream.of(
                broken(g -> g.magic(0x46554748), "is no GGUF file"),
                broken(g -> g.version(1), "GGUF version 1 is not supported; 2 and 3 are"),
                broken(g -> g.version(4), "GGUF version 4 is not supported"),
                broken(g -> g.version(3 << 24), "is big-endian"),
                broken(g -> g.damaged(b -> b.putLong(8, -1)), "the number of tensors is 18446744073709551615"),
                broken(g -> g.damaged(b -> b.putLong(8, 1 << 30)), "the number of tensors is 1073741824, more than"),
                broken(g -> g.damaged(b -> b.putLong(16, 1 << 30)), "the number of metadata entries is 1073741824"),
                broken(g -> g.damaged(b -> b.putLong(24, Long.MIN_VALUE)), "the length of the key of a metadata entry"),
                broken(g -> g.damaged(b -> b.putLong(24, 65_536)), "the key of a metadata entry has 65536 bytes"),
                broken(g -> g.damaged(b -> b.putLong(24, 9_999)), "truncated"),
                broken(g -> g.damaged(b -> b.put(32, (byte) 0xff)), "the key of a metadata entry is no UTF-8"),
                broken(g -> g.repeat("general.architecture"), "metadata general.architecture stands twice"),
                broken(g -> g.value("x", 13, out -> {}), "metadata x has the unknown type 13"),
                broken(g -> g.value("x", -1, out -> {}), "metadata x has the unknown type 4294967295"),
                broken(g -> g.value("x", Gguf.BOOL, out -> out.write(2)), "metadata x is neither true nor false but 2"),
                broken(g -> g.value("x", 10, out -> Gguf.number(out, -1, 8)), "metadata x is 18446744073709551615"),
                broken(g -> g.array("x", Gguf.ARRAY, 1, out -> {}), "metadata x is a list of lists"),
                broken(g -> g.array("x", 13, 1, out -> {}), "metadata x has the unknown type 13"),
                broken(
                        g -> g.array("x", Gguf.UINT32, 1L << 40, out -> {}),
                        "the length of metadata x is 1099511627776"),
                broken(g -> g.array("x", Gguf.STRING, 900, out -> {}), "the length of metadata x is 900, more than"),
                broken(g -> g.put("general.alignment", 24), "general.alignment is 24, no power of two"),
                broken(g -> g.put("general.alignment", 0), "general.alignment is 0"),
                broken(g -> g.put("general.alignment", 1 << 21), "general.alignment is 2097152"),
                broken(g -> g.put("general.alignment", "32"), "general.alignment is \"32\", not a whole number"),
                broken(g -> g.put("split.count", 3), "is one of 3 parts of a model"),
                broken(g -> g.tensor("t", 10, List.of(256L), new byte[84]), "tensor t: weights of type Q2_K are not"),
                broken(
                        g -> g.tensor("t", 4, SHAPE, q8()),
                        "tensor t: weights of type number 4 are not supported; [F32"),
                broken(g -> g.tensor("t", 8, List.of(2L, 31L), q8()), "rows of 31 weights are no whole blocks of 32"),
                broken(g -> g.tensor("t", 0, List.of(), q8()), "tensor t: 0 axes"),
                broken(g -> g.tensor("t", 0, List.of(1L, 1L, 1L, 1L, 1L), q8()), "tensor t: 5 axes"),
                broken(g -> g.tensor("t", 0, List.of(0L, 32L), new byte[0]), "tensor t: an axis of length 0"),
                broken(g -> g.tensor("t", 0, List.of(1L << 31), new byte[0]), "an axis of length 2147483648"),
                broken(
                        g -> g.tensor("t", 0, List.of(1L << 30, 1L << 30, 1L << 30), new byte[0]),
                        "tensor t: the shape [1073741824, 1073741824] is too large"),
                broken(
                        g -> g.tensor("t", 0, List.of(1L << 29, 1L << 30), new byte[0]),
                        "truncated: tensor t: 2305843009213693952 bytes from byte 96 of the data, which has 96"),
                broken(g -> g.tensor("t", 8, SHAPE, 0, q8()), "tensor t: begins at byte 0 of the data, inside the one"),
                broken(
                        g -> g.tensor("t", 8, SHAPE, 192, q8()),
                        "tensor t: begins at byte 192 of the data, after a hole"),
                broken(
                        g -> g.tensor("t", 8, SHAPE, 97, q8()),
                        "tensor t: offset 97 is no multiple of the alignment 32"),
                broken(g -> g.tensor("t", 8, SHAPE, -32, q8()), "tensor t: its offset is 18446744073709551584"),
                broken(g -> g.tensor("w", 8, SHAPE, q8()), "tensor w stands twice"),
                broken(g -> g.tensor("t".repeat(65), 8, SHAPE, q8()), "a tensor's name has 65 bytes; at most 64"),
                broken(g -> g.tensor("t", 8, SHAPE, new byte[300]), "bytes after the last tensor belong to none"));
    }

    private static Arguments broken(UnaryOperator<Gguf> change, String message) {
        return Arguments.of(change, message);
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("hostile")
    void whatBreaksTheFormatIsRefusedInOneLine(UnaryOperator<Gguf> change, String message) {
        Gguf gguf = new Gguf().put("general.architecture", "llama").tensor("w", 8, SHAPE, q8());
        Path path = change.apply(gguf).write(directory.resolve("bad.gguf"));
        assertThatThrownBy(() -> GgufFile.open(path))
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(path + ": ")
                .hasMessageContaining(message);
    }

    @Test
    void aFileCutAnywhereIsRefused() {
        byte[] whole = TinyGguf.base(DType.F32).bytes();
        for (int length = 0; length < whole.length; length += 17) {
            Path path = Safetensors.write(directory.resolve("cut.gguf"), Arrays.copyOf(whole, length));
            assertThatThrownBy(() -> GgufFile.open(path))
                    .as("%d bytes of %d", path.toFile().length(), whole.length)
                    .isInstanceOf(ModelFormatException.class);
        }
    }

    @Test
    void aHeaderWithABitFlippedIsReadOrRefused() {
        byte[] whole = TinyGguf.base(DType.F32).bytes();
        for (int i = 0; i < 2000; i += 7) {
            byte[] flipped = whole.clone();
            flipped[i] ^= (byte) (1 << i % 8);
            Path path = Safetensors.write(directory.resolve("flipped.gguf"), flipped);
            try (GgufFile file = GgufFile.open(path)) {
                GgufConfig.of(file);
                GgufTokenizer.json(file.metadata());
            } catch (ModelFormatException e) {
                assertThat(e).hasMessageStartingWith(path.toString());
            }
        }
    }

    @Test
    void aFileThatIsNotThereIsNamed() {
        Path path = directory.resolve("absent.gguf");
        assertThatThrownBy(() -> GgufFile.open(path)).hasMessage(path + ": no such file");
    }

    /** Two blocks of scale 1 that begin with 3 and -4. */
    private static byte[] q8() {
        byte[] bytes = new byte[68];
        bytes[1] = bytes[35] = 0x3c;
        bytes[2] = 3;
        bytes[36] = -4;
        return bytes;
    }

    private static GgufTensor tensor(GgufFile file, String name) {
        return Objects.requireNonNull(file.tensors().get(name));
    }

    private static float[] row(GgufTensor tensor, int row) {
        float[] values = new float[tensor.shape().getLast().intValue()];
        tensor.readRow(row, values);
        return values;
    }
}
