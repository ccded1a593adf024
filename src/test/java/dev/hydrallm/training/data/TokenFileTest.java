package dev.hydrallm.training.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.hydrallm.training.Sample;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenFileTest {
    private static final String DIGEST = "ab".repeat(32);

    @TempDir
    Path folder;

    private static Path write(Path target, int vocabulary, List<Sample> samples) throws IOException {
        try (TokenFileWriter writer = new TokenFileWriter(target, vocabulary, DIGEST)) {
            for (Sample sample : samples) {
                writer.add(sample.tokens(), sample.labelled());
            }
            writer.finish();
        }
        return target;
    }

    private static List<Sample> random(int count, int vocabulary, long seed) {
        Random random = new Random(seed);
        List<Sample> samples = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int length = 1 + random.nextInt(40);
            boolean[] labelled = new boolean[length];
            for (int k = 0; k < length; k++) {
                labelled[k] = random.nextBoolean();
            }
            samples.add(new Sample(random.ints(length, 0, vocabulary).toArray(), labelled));
        }
        return samples;
    }

    @Property(tries = 60)
    void whatIsWrittenIsRead(
            @ForAll @IntRange(max = 50) int count, @ForAll @IntRange(min = 1, max = 200_000) int vocabulary)
            throws IOException {
        Path temporary = Files.createTempDirectory("tokens");
        List<Sample> samples = random(count, vocabulary, count);
        try (TokenFile file = TokenFile.open(write(temporary.resolve("t.bin"), vocabulary, samples))) {
            assertThat(file.count()).isEqualTo(count);
            for (int i = 0; i < count; i++) {
                assertThat(file.length(i)).isEqualTo(samples.get(i).tokens().length);
                assertThat(file.get(i).tokens()).isEqualTo(samples.get(i).tokens());
                assertThat(file.get(i).labelled()).isEqualTo(samples.get(i).labelled());
            }
            assertThat(file.vocabulary()).isEqualTo(vocabulary);
            assertThat(file.tokenizer()).isEqualTo(DIGEST);
        } finally {
            Files.delete(temporary.resolve("t.bin"));
            Files.delete(temporary);
        }
    }

    @Test
    void theLargestIdsOfBothWidthsComeBack() throws IOException {
        for (int vocabulary : new int[] {1 << 16, (1 << 16) + 1}) {
            Sample sample = new Sample(new int[] {vocabulary - 1, 0, 40_000}, new boolean[] {true, false, true});
            Path path = write(folder.resolve(vocabulary + ".bin"), vocabulary, List.of(sample));
            try (TokenFile file = TokenFile.open(path)) {
                assertThat(file.get(0).tokens()).isEqualTo(sample.tokens());
            }
            assertThat(Files.size(path)).isEqualTo(128 + (vocabulary == 1 << 16 ? 8 : 16) + 8);
        }
    }

    @Test
    void theFingerprintTellsSamplesApart() throws IOException {
        List<Sample> samples = random(5, 300, 1);
        String first = fingerprint(write(folder.resolve("a"), 300, samples));
        assertThat(fingerprint(write(folder.resolve("b"), 300, samples))).isEqualTo(first);
        assertThat(fingerprint(write(folder.resolve("c"), 301, samples))).isNotEqualTo(first);
        assertThat(fingerprint(write(folder.resolve("d"), 300, samples.reversed())))
                .isNotEqualTo(first);
        samples.getFirst().labelled()[0] ^= true;
        assertThat(fingerprint(write(folder.resolve("e"), 300, samples))).isNotEqualTo(first);
        assertThat(first).hasSize(16);
    }

    private static String fingerprint(Path path) {
        try (TokenFile file = TokenFile.open(path)) {
            return file.fingerprint();
        }
    }

    private static void assertRefused(Path path, String... parts) {
        assertThatExceptionOfType(DataFormatException.class)
                .isThrownBy(() -> TokenFile.open(path).close())
                .withMessageContainingAll(parts);
    }

    @Test
    void brokenFilesAreRefusedByName() throws IOException {
        byte[] whole = Files.readAllBytes(write(folder.resolve("whole"), 300, random(20, 300, 3)));
        Path broken = folder.resolve("broken");
        for (int length : new int[] {0, 7, 127}) {
            Files.write(broken, Arrays.copyOf(whole, length));
            assertRefused(broken, broken.toString(), "is no token file");
        }
        for (int length : new int[] {128, 200, whole.length - 1}) {
            Files.write(broken, Arrays.copyOf(whole, length));
            assertRefused(broken, "instead of " + whole.length, "cut off");
        }
        Files.write(broken, Arrays.copyOf(whole, whole.length + 8));
        assertRefused(broken, "has " + (whole.length + 8) + " bytes instead of");
        assertRefused(folder.resolve("absent"), "absent: no such file", "hydra data prepare");
        byte[] version = whole.clone();
        version[8] = 9;
        Files.write(broken, version);
        assertRefused(broken, "version 9, this program reads 1");
    }

    @Test
    void everyFlippedBitIsFound() throws IOException {
        Path whole = write(folder.resolve("whole"), 300, random(4, 300, 3));
        byte[] bytes = Files.readAllBytes(whole);
        for (int at = 0; at < bytes.length; at++) {
            if (at < 112 || at >= 128) {
                byte[] flipped = bytes.clone();
                flipped[at] ^= 1;
                Files.write(whole, flipped);
                assertThatExceptionOfType(DataFormatException.class)
                        .as("byte %s", at)
                        .isThrownBy(() -> TokenFile.open(whole).close());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {250, 5, 1})
    void anIdBeyondTheVocabularyIsRefusedEvenInAFileThatIsWhole(int vocabulary) throws Exception {
        Path path = write(folder.resolve("tokens"), 300, List.of(new Sample(new int[] {0, 4, 299}, new boolean[] {
            false, false, true
        })));
        byte[] bytes = Files.readAllBytes(path);
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(40, vocabulary);
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        digest.update(bytes, 0, 80);
        digest.update(bytes, 128, bytes.length - 128);
        System.arraycopy(digest.digest(), 0, bytes, 80, 32);
        Files.write(path, bytes);
        assertRefused(path, "has the id", "the vocabulary ends at " + (vocabulary - 1));
        assertThat(HexFormat.of().formatHex(bytes, 48, 80)).isEqualTo(DIGEST);
    }

    @Test
    void aFileIsThereWholeOrNotAtAll() throws IOException {
        Path target = write(folder.resolve("tokens"), 300, random(3, 300, 1));
        byte[] before = Files.readAllBytes(target);
        try (TokenFileWriter writer = new TokenFileWriter(target, 300, DIGEST)) {
            writer.add(new int[] {1, 2, 3}, new boolean[3]);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> writer.add(new int[] {300}, new boolean[1]))
                    .withMessageContaining("id 300");
        }
        assertThat(Files.readAllBytes(target)).isEqualTo(before);
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactly(target);
        }
    }

    @Test
    void whatAKilledProcessLeftIsDeletedAndWhatIsBeingWrittenIsNot() throws IOException {
        Path target = folder.resolve("tokens");
        Path abandoned = Files.writeString(folder.resolve("tokens.unfinished-1"), "half");
        Path another = Files.writeString(folder.resolve("tokens.bin.unfinished-1"), "another file's");
        try (TokenFileWriter first = new TokenFileWriter(target, 300, DIGEST);
                TokenFileWriter second = new TokenFileWriter(target, 300, DIGEST)) {
            assertThat(abandoned).doesNotExist();
            first.add(new int[] {1, 2, 3}, new boolean[3]);
            first.finish();
            second.finish();
        }
        try (var files = Files.list(folder)) {
            assertThat(files).containsExactlyInAnyOrder(target, another);
        }
    }

    @Test
    void whoMayReadOtherNewFilesMayReadThis() throws IOException {
        Path usual = Files.createFile(folder.resolve("usual"));
        Path target = write(folder.resolve("tokens"), 300, random(3, 300, 1));
        assertThat(Files.getPosixFilePermissions(target)).isEqualTo(Files.getPosixFilePermissions(usual));
    }

    @Test
    void aFolderInItsPlaceIsRefusedBeforeTheWork() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new TokenFileWriter(folder, 300, DIGEST).close())
                .withMessageContaining("is a folder");
    }
}
