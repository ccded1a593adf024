package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.testing.Pickle;
import dev.hydrallm.testing.Shared;
import dev.hydrallm.testing.TestTensor;
import dev.hydrallm.testing.TorchZip;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.zip.ZipEntry;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class TorchFileTest {
    private static final TestTensor MATRIX = TestTensor.random(DType.F32, 1, 3, 4);

    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource({"0, 9", "1, 19", "2, 28"})
    void theDraftHeadsThatTorchWroteAreRead(int layers, int tensors) {
        Path heads = Shared.models().resolve("pycoder-hydra-" + layers + "l/medusa_lm_head.pt");
        try (TorchFile file = TorchFile.open(heads)) {
            assertThat(file.tensors()).hasSize(tensors);
            SourceTensor last = Objects.requireNonNull(file.tensors().get("2.1.weight"));
            assertThat(last.shape()).containsExactly(4096L, 256L);
            assertThat(last.dtype()).isEqualTo(DType.F16);
            float[] row = new float[256];
            last.readRow(4095, row);
            assertThat(row).isNotEqualTo(new float[256]);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F16", "BF16"})
    void everyNumberIsReadAsItWasWritten(DType dtype) {
        TestTensor tensor = MATRIX.as(dtype);
        try (TorchFile file = TorchFile.open(TorchZip.save(directory.resolve("x.pt"), Map.of("a", tensor)))) {
            assertThat(rows(file, "a", 3, 4)).isEqualTo(tensor.values());
        }
    }

    @Test
    void aTransposedViewIntoALargerStorageIsRead() {
        Pickle pickle = named("t", view -> view.tensor(DType.F32, "0", 1, List.of(3L, 2L), List.of(1L, 4L)));
        try (TorchFile file = TorchFile.open(write(pickle, Map.of("archive/data/0", MATRIX.bytes())))) {
            float[] all = MATRIX.values();
            assertThat(rows(file, "t", 3, 2)).containsExactly(all[1], all[5], all[2], all[6], all[3], all[7]);
        }
    }

    @Test
    void aFileWithoutAByteOrderIsLittleEndian() {
        Map<String, byte[]> entries = good();
        entries.remove("archive/byteorder");
        try (TorchFile file = TorchFile.open(TorchZip.write(directory.resolve("x.pt"), entries))) {
            assertThat(rows(file, "a", 3, 4)).isEqualTo(MATRIX.values());
        }
    }

    @Test
    void aBigEndianFileIsRefused() {
        Map<String, byte[]> entries = good();
        entries.put("archive/byteorder", "big".getBytes(StandardCharsets.US_ASCII));
        assertRefused(entries, "byte order \"big\"");
    }

    @Test
    void aFileIsRefusedWhereverItEnds() throws IOException {
        byte[] whole = Files.readAllBytes(TorchZip.write(directory.resolve("whole.pt"), good()));
        for (int length = 0; length < whole.length; length += 3) {
            Path file = Files.write(directory.resolve("short.pt"), Arrays.copyOf(whole, length));
            assertRefused(file, "torch file");
        }
    }

    @Test
    void aMissingFileIsRefused() {
        assertRefused(directory.resolve("nowhere.pt"), "no such file");
    }

    @Test
    void aPickleOfTheOldFormatIsRefused() throws IOException {
        assertRefused(Files.write(directory.resolve("old.pt"), new Pickle().bytes()), "no readable torch file");
    }

    @Test
    void compressedEntriesAreRefused() {
        Path file = TorchZip.write(directory.resolve("x.pt"), good(), ZipEntry.DEFLATED);
        assertRefused(file, "compressed");
    }

    @Test
    void severalPicklesAreRefused() {
        Map<String, byte[]> entries = good();
        entries.put("other/data.pkl", new Pickle().bytes());
        assertRefused(entries, "one NAME/data.pkl, and holds 2");
    }

    @Test
    void aPickleOutsideAFolderIsRefused() {
        assertRefused(Map.of("data.pkl", new Pickle().bytes()), "holds 0 (and a data.pkl outside a folder)");
    }

    @Test
    void aMissingStorageIsRefusedByName() {
        Map<String, byte[]> entries = good();
        entries.remove("archive/data/0");
        assertRefused(entries, "archive/data/0 is missing");
    }

    @Test
    void aStorageThatIsTooShortIsRefused() {
        Map<String, byte[]> entries = good();
        entries.put("archive/data/0", new byte[4 * 12 - 1]);
        assertRefused(entries, "tensor a", "its storage of 47 bytes");
    }

    @Test
    void aStorageKeyCannotLeaveTheFolder() {
        Pickle pickle = named("a", each -> each.tensor(DType.F32, "../../etc/passwd", 0, List.of(1L), List.of(1L)));
        assertRefused(pickle, "archive/data/../../etc/passwd is missing");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "0                    | 3,4                         | 4,2                        ",
                "1                    | 3,4                         | 4,1                        ",
                "-1                   | 3,4                         | 4,1                        ",
                "0                    | -3,4                        | 4,1                        ",
                "0                    | 3,4                         | -4,1                       ",
                "9223372036854775807  | 3,4                         | 4,1                        ",
                "4611686018427387904  | 0,4                         | 4,1                        ",
                "0                    | 9223372036854775807,4       | 4,1                        ",
                "0                    | 3,4                         | 9223372036854775807,1      ",
                "0                    | 4294967297,4294967297       | 4294967296,4294967296      ",
                "0                    | 3,4                         | 1                          ",
                "2305843009213693952  | 1,1                         | 1,1                        ",
            })
    void aTensorOutsideItsStorageIsRefused(long offset, String shape, String strides) {
        Pickle pickle = named("a", each -> each.tensor(DType.F32, "0", offset, longs(shape), longs(strides)));
        assertRefused(write(pickle, Map.of("archive/data/0", MATRIX.bytes())), "tensor a");
    }

    @Test
    void aStorageOfAnUnknownTypeIsRefusedByName() {
        Pickle pickle = named("a", each -> each.tensor(DType.U64, "0", 0, List.of(1L), List.of(1L)));
        assertRefused(pickle, "torch.null");
    }

    private static float[] rows(TorchFile file, String name, int rows, int columns) {
        SourceTensor tensor = Objects.requireNonNull(file.tensors().get(name));
        float[] all = new float[rows * columns];
        float[] row = new float[columns];
        for (int r = 0; r < rows; r++) {
            tensor.readRow(r, row);
            System.arraycopy(row, 0, all, r * columns, columns);
        }
        return all;
    }

    private static List<Long> longs(String numbers) {
        return Arrays.stream(numbers.split(",")).map(Long::valueOf).toList();
    }

    private static Map<String, byte[]> good() {
        return new LinkedHashMap<>(TorchZip.entries(new Pickle().value(Map.of("a", MATRIX))));
    }

    /** A dictionary of one entry. */
    private static Pickle named(String name, Consumer<Pickle> value) {
        Pickle pickle = new Pickle().op('}').string(name);
        value.accept(pickle);
        return pickle.op('s');
    }

    private Path write(Pickle pickle, Map<String, byte[]> more) {
        Map<String, byte[]> entries = new LinkedHashMap<>(TorchZip.entries(pickle));
        entries.putAll(more);
        return TorchZip.write(directory.resolve("bad.pt"), entries);
    }

    private void assertRefused(Pickle pickle, String... parts) {
        assertRefused(write(pickle, Map.of()), parts);
    }

    private void assertRefused(Map<String, byte[]> entries, String... parts) {
        assertRefused(TorchZip.write(directory.resolve("bad.pt"), entries), parts);
    }

    private static void assertRefused(Path file, String... parts) {
        assertThatThrownBy(() -> TorchFile.open(file).close())
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContainingAll(parts);
    }
}
