package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileReadsTest {
    private static final int CHUNK = FileDigest.CHUNK;

    @TempDir
    Path directory;

    /** A file of zeros, of which nothing was read. */
    private Path file(long bytes) throws IOException {
        Path file = directory.resolve("file-" + bytes);
        try (RandomAccessFile made = new RandomAccessFile(file.toFile(), "rw")) {
            made.setLength(bytes);
        }
        return file;
    }

    private static boolean isDirect(FileReads reads, int chunk) {
        return reads.direct(FileDigest.begin(chunk), CHUNK).isPresent();
    }

    @Test
    void whatTheCacheHoldsOfALargeFileIsReadFromThere() throws IOException {
        Path large = file(LoadOptions.LARGE_FILE);
        try (FileReads on = FileReads.open(large, LoadOptions.DirectIo.ON, new DirectPace(1));
                FileReads auto = FileReads.open(large, LoadOptions.DirectIo.AUTO, new DirectPace(1))) {
            assumeTrue(isDirect(on, 3), "this file system has no direct reads");
            assertThat(isDirect(auto, 3)).isTrue();
            auto.cached().read(ByteBuffer.allocate(CHUNK), FileDigest.begin(3));
            assertThat(isDirect(auto, 3)).isFalse();
            assertThat(isDirect(auto, 40)).isTrue();
            assertThat(isDirect(on, 3)).isTrue();
        }
    }

    @Test
    void aSlowDiskIsReadThroughTheCache() throws IOException {
        DirectPace pace = new DirectPace(1);
        try (FileReads reads = FileReads.open(file(LoadOptions.LARGE_FILE), LoadOptions.DirectIo.AUTO, pace)) {
            assumeTrue(isDirect(reads, 0), "this file system has no direct reads");
            pace.add(LoadOptions.LARGE_FILE, 100_000_000_000L);
            assertThat(isDirect(reads, 0)).isFalse();
        }
    }

    @Test
    void smallFilesGoThroughTheCacheUnlessOneInsists() throws IOException {
        Path small = file(LoadOptions.LARGE_FILE - 1);
        try (FileReads off = FileReads.open(small, LoadOptions.DirectIo.OFF, new DirectPace(1));
                FileReads auto = FileReads.open(small, LoadOptions.DirectIo.AUTO, new DirectPace(1))) {
            assertThat(isDirect(off, 0)).isFalse();
            assertThat(isDirect(auto, 0)).isFalse();
            assertThat(auto.size()).isEqualTo(LoadOptions.LARGE_FILE - 1);
        }
    }
}
