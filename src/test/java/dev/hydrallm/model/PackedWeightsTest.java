package dev.hydrallm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.testing.Safetensors;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A file of 25 MiB in 7 chunks: tensors within one chunk, across two, over four, and many in one. */
@Timeout(60)
class PackedWeightsTest {
    private static final int MIB = 1 << 20;
    private static final List<Integer> SIZES =
            List.of(5 * MIB, 100, 4096, 2 * MIB + 17, 13 * MIB, 8, 1 << 12, 3 * MIB, MIB - 1, MIB);

    @TempDir
    Path directory;

    private final Map<String, byte[]> tensors = new LinkedHashMap<>();
    private Path file = Path.of("");
    private FileDigest digest = FileDigest.of(new byte[0]);

    @BeforeEach
    void write() throws IOException {
        Random random = new Random(5);
        List<String> entries = new ArrayList<>();
        byte[] data = new byte[SIZES.stream().mapToInt(size -> size).sum() + 40];
        int end = 0;
        for (int size : SIZES) {
            byte[] tensor = new byte[size];
            random.nextBytes(tensor);
            System.arraycopy(tensor, 0, data, end, size);
            tensors.put("t" + entries.size(), tensor);
            entries.add(
                    "\"t" + entries.size() + "\":" + Safetensors.entry("U8", List.of((long) size), end, end + size));
            end += size;
        }
        entries.add("\"pad.0\":" + Safetensors.entry("U8", List.of(40L), end, end + 40));
        file = Safetensors.write(directory.resolve("weights"), "{" + String.join(",", entries) + "}", data);
        digest = FileDigest.of(Files.readAllBytes(file));
    }

    @AfterEach
    void noReaderIsLeft() {
        assertThat(Thread.getAllStackTraces().keySet())
                .extracting(Thread::getName)
                .noneMatch(name -> name.startsWith("hydra-load"));
    }

    @ParameterizedTest
    @CsvSource({
        "1, 4096, OFF",
        "2, 1048576, OFF",
        "7, 65536, OFF",
        "64, 4194304, OFF",
        "0, 1048576, ON",
        "3, 4096, ON",
        "0, 65536, AUTO",
    })
    void everyWayOfReadingGivesTheSameBytes(int threads, int readBytes, LoadOptions.DirectIo directIo) {
        try (PackedWeights weights = open(new LoadOptions(threads, readBytes, directIo))) {
            assertAllThere(weights);
            weights.awaitVerified();
        }
    }

    @Test
    void aFileSystemWithoutDirectReadsIsReadPlainly() throws IOException {
        Path memory = Path.of("/dev/shm");
        assumeTrue(Files.isWritable(memory), "there is no " + memory);
        Path copy = Files.copy(
                file, memory.resolve("hydra-test-" + ProcessHandle.current().pid()));
        try (PackedWeights weights = PackedWeights.open(
                copy, digest, new LoadOptions(2, MIB, LoadOptions.DirectIo.ON), PackedWeights.Keep.TENSORS)) {
            assertAllThere(weights);
        } finally {
            Files.delete(copy);
        }
    }

    @Test
    void tensorsMayBeTakenInAnyOrderByAnyThread() throws Exception {
        try (PackedWeights weights = open(LoadOptions.DEFAULT);
                ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<byte[]>> taken = new ArrayList<>();
            for (int i = SIZES.size() - 1; i >= 0; i--) {
                String name = "t" + i;
                taken.add(threads.submit(() -> bytes(weights, name)));
            }
            for (int i = 0; i < SIZES.size(); i++) {
                assertThat(taken.get(SIZES.size() - 1 - i).get()).isEqualTo(tensors.get("t" + i));
            }
        }
    }

    @Test
    void aSinkTakesWhatIsReadAndWhatIsThereAlready() {
        try (PackedWeights weights = open(LoadOptions.DEFAULT)) {
            bytes(weights, "t1");
            bytes(weights, "t4");
            Map<String, byte[]> sent = new LinkedHashMap<>();
            List<Sending> sending = new ArrayList<>();
            tensors.forEach((name, content) -> {
                byte[] target = new byte[content.length];
                sent.put(name, target);
                sending.add(weights.send(
                        name,
                        List.of(),
                        (offset, bytes) -> MemorySegment.copy(
                                bytes, ValueLayout.JAVA_BYTE, 0, target, (int) offset, (int) bytes.byteSize())));
            });
            sending.forEach(Sending::await);
            tensors.forEach((name, content) -> assertThat(sent.get(name)).isEqualTo(content));
            weights.awaitVerified();
            // It was sent and not kept, and can be read all the same.
            assertThat(bytes(weights, "t9")).isEqualTo(tensors.get("t9"));
        }
    }

    @Test
    void aSendingThatIsEndedWritesNoMoreAndItsTensorIsReadAgain() {
        try (PackedWeights weights = open(new LoadOptions(1, 4096, LoadOptions.DirectIo.OFF))) {
            AtomicBoolean ended = new AtomicBoolean();
            AtomicBoolean writtenToo = new AtomicBoolean();
            Sending sending =
                    weights.send("t4", List.of(), (offset, bytes) -> writtenToo.compareAndSet(false, ended.get()));
            sending.close();
            ended.set(true);
            sending.close();
            weights.awaitVerified();
            assertThat(writtenToo).isFalse();
            assertThat(bytes(weights, "t4")).isEqualTo(tensors.get("t4"));
        }
    }

    @Test
    void whoIsInterruptedWhileWaitingForASinkEndsItsSending() throws Exception {
        try (PackedWeights weights = open(new LoadOptions(1, 4096, LoadOptions.DirectIo.OFF));
                ExecutorService thread = Executors.newSingleThreadExecutor()) {
            AtomicBoolean over = new AtomicBoolean();
            AtomicBoolean writtenToo = new AtomicBoolean();
            Sending sending =
                    weights.send("t9", List.of(), (offset, bytes) -> writtenToo.compareAndSet(false, over.get()));
            Future<?> interrupted = thread.submit(() -> {
                Thread.currentThread().interrupt();
                assertThatThrownBy(sending::await).hasMessage("interrupted while " + file + " was read");
                over.set(true);
            });
            interrupted.get();
            weights.awaitVerified();
            assertThat(writtenToo).isFalse();
            assertThat(bytes(weights, "t9")).isEqualTo(tensors.get("t9"));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 7})
    void aSinkMayWaitForWhatStandsBeforeItsTensor(int threads) {
        try (PackedWeights weights = open(new LoadOptions(threads, 4096, LoadOptions.DirectIo.OFF))) {
            Map<String, byte[]> sent = new LinkedHashMap<>();
            List<Sending> sending = new ArrayList<>();
            Map.of("t4", List.of("t0", "t1", "t3"), "t7", List.of("t2", "t6"), "t9", List.of("t8"))
                    .forEach((name, needed) -> {
                        byte[] target = new byte[Objects.requireNonNull(tensors.get(name)).length];
                        sent.put(name, target);
                        sending.add(weights.send(name, needed, (offset, bytes) -> {
                            needed.forEach(
                                    other -> assertThat(bytes(weights, other)).isEqualTo(tensors.get(other)));
                            MemorySegment.copy(
                                    bytes, ValueLayout.JAVA_BYTE, 0, target, (int) offset, (int) bytes.byteSize());
                        }));
                    });
            sending.forEach(Sending::await);
            sent.forEach((name, content) -> assertThat(content).isEqualTo(tensors.get(name)));
        }
    }

    /** A reader that waited for what it has to read itself would wait forever. */
    @ParameterizedTest
    @CsvSource({"t7, t8", "t4, t9"})
    void aSinkThatNeedsWhatStandsBehindItsTensorIsWrittenToByWhoWaits(String name, String needed) {
        try (PackedWeights weights = open(new LoadOptions(1, 4096, LoadOptions.DirectIo.OFF))) {
            List<Thread> writers = new ArrayList<>();
            Sending sending = weights.send(name, List.of(needed), (offset, bytes) -> {
                writers.add(Thread.currentThread());
                assertThat(bytes(weights, needed)).isEqualTo(tensors.get(needed));
                assertThat(bytes.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(tensors.get(name));
            });
            sending.await();
            assertThat(writers).containsExactly(Thread.currentThread());
        }
    }

    @Test
    void aSinkThatNeedsWhatWasReleasedIsWrittenToByWhoWaits() {
        try (PackedWeights weights = open(new LoadOptions(1, 4096, LoadOptions.DirectIo.OFF))) {
            weights.take("t0");
            weights.release("t0");
            List<Thread> writers = new ArrayList<>();
            Sending sending = weights.send("t9", List.of("t0"), (offset, bytes) -> {
                writers.add(Thread.currentThread());
                assertThat(bytes(weights, "t0")).isEqualTo(tensors.get("t0"));
            });
            sending.await();
            assertThat(writers).containsExactly(Thread.currentThread());
        }
    }

    @Test
    void closingEndsASinkThatWaitsForWhatItNeeds() throws Exception {
        PackedWeights weights = open(new LoadOptions(2, 4096, LoadOptions.DirectIo.OFF));
        CountDownLatch never = new CountDownLatch(1);
        CountDownLatch waits = new CountDownLatch(1);
        // Its reader has the beginning of t4, too, which therefore never comes.
        Sending stuck = weights.send("t2", List.of(), (offset, bytes) -> {
            try {
                never.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException("interrupted", e);
            }
        });
        Sending waiting = weights.send("t7", List.of("t4"), (offset, bytes) -> {
            waits.countDown();
            weights.take("t4");
        });
        boolean isStreamed = waits.await(5, TimeUnit.SECONDS);
        weights.close();
        assumeTrue(isStreamed, "the file was read before the sinks were there");
        assertThatThrownBy(stuck::await).hasMessage(file + " is closed");
        assertThatThrownBy(waiting::await).hasMessage(file + " is closed");
    }

    @Test
    void aSinkThatFailsEndsAllReading() {
        try (PackedWeights weights = open(LoadOptions.DEFAULT)) {
            List<Sending> sending = new ArrayList<>();
            tensors.keySet()
                    .forEach(name -> sending.add(weights.send(name, List.of(), (offset, bytes) -> {
                        throw new IllegalStateException("the device is gone");
                    })));
            assertThatThrownBy(() -> sending.forEach(Sending::await))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("the device is gone");
            assertThatThrownBy(weights::awaitVerified).hasMessageContaining("the device is gone");
        }
    }

    @Test
    void whatIsReleasedIsGoneAndIsReadAgainWhenItIsAskedFor() {
        try (PackedWeights weights = open(LoadOptions.DEFAULT)) {
            MemorySegment large = weights.take("t4").data();
            MemorySegment small = weights.take("t2").data();
            weights.release("t4");
            weights.release("t4");
            weights.release("t2");
            weights.release("t0");
            assertThatThrownBy(() -> large.get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
            assertThat(small.toArray(ValueLayout.JAVA_BYTE)).isEqualTo(tensors.get("t2"));
            assertAllThere(weights);
            weights.awaitVerified();
        }
    }

    @Test
    void aCheckKeepsNothingUntilATensorIsAskedFor() throws IOException {
        try (PackedWeights weights =
                PackedWeights.open(file, digest, LoadOptions.DEFAULT, PackedWeights.Keep.NOTHING)) {
            weights.awaitVerified();
            assertAllThere(weights);
        }
        flip(Files.size(file) - 1);
        try (PackedWeights weights =
                PackedWeights.open(file, digest, LoadOptions.DEFAULT, PackedWeights.Keep.NOTHING)) {
            assertThatThrownBy(weights::awaitVerified).hasMessageStartingWith(file + ": SHA-256");
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.1, 0.3, 0.5, 0.7, 0.9, 1})
    void oneFlippedBitEndsTheReadingByTheFilesName(double place) throws IOException {
        long at = (long) (place * (digest.bytes() - 1));
        flip(at);
        assertThatThrownBy(() -> {
                    try (PackedWeights weights = open(LoadOptions.DEFAULT)) {
                        weights.awaitVerified();
                    }
                })
                .isInstanceOf(ModelFormatException.class)
                .hasMessageStartingWith(file + ": SHA-256 of the bytes " + at / (4 * MIB) * 4 * MIB + " to ")
                .hasMessageEndingWith("the file is damaged or altered, pack the model again");
    }

    @Test
    void noByteOfADamagedChunkIsHandedOut() throws IOException {
        flip(15L * MIB); // in t4
        try (PackedWeights weights = open(LoadOptions.DEFAULT)) {
            assertThatThrownBy(() -> weights.take("t4")).isInstanceOf(ModelFormatException.class);
            assertThatThrownBy(() -> weights.take("t9")).isInstanceOf(ModelFormatException.class);
            assertThatThrownBy(weights::awaitVerified).isInstanceOf(ModelFormatException.class);
        }
    }

    @Test
    void damageAfterAReleaseIsNoticedWhenTheTensorIsReadAgain() throws IOException {
        try (PackedWeights weights = open(LoadOptions.DEFAULT)) {
            weights.take("t4");
            weights.awaitVerified();
            weights.release("t4");
            flip(15L * MIB);
            assertThatThrownBy(() -> weights.take("t4")).hasMessageContaining("SHA-256");
        }
    }

    @Test
    void aFileOfAnotherLengthIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(whole, whole.length - 1));
        assertThatThrownBy(() -> open(LoadOptions.DEFAULT))
                .isInstanceOf(ModelFormatException.class)
                .hasMessage(file + ": truncated: it has " + (whole.length - 1) + " bytes, the manifest says "
                        + whole.length + ": pack the model again");
        Files.write(file, Arrays.copyOf(whole, whole.length + 1));
        assertThatThrownBy(() -> open(LoadOptions.DEFAULT)).hasMessageStartingWith(file + ": too long: ");
        Files.write(file, new byte[0]);
        assertThatThrownBy(() -> open(LoadOptions.DEFAULT)).hasMessageStartingWith(file + ": truncated: ");
    }

    @Test
    void aFileThatIsCutWhileItIsReadIsRefused() throws IOException {
        try (ChunkReader reader = new ChunkReader(file, digest, LoadOptions.DEFAULT, new DirectPace(1))) {
            reader.read(0);
            Files.write(file, Arrays.copyOf(Files.readAllBytes(file), 6 * MIB));
            assertThatThrownBy(() -> reader.read(1))
                    .isInstanceOf(ModelFormatException.class)
                    .hasMessage(file + ": cannot be read: it ends at byte " + 6 * MIB);
        }
    }

    @Test
    void aFileThatMayNotBeReadIsRefused() throws IOException {
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("---------"));
        assumeTrue(!Files.isReadable(file), "this user may read everything");
        assertThatThrownBy(() -> open(LoadOptions.DEFAULT)).hasMessage(file + ": cannot be read: permission denied");
    }

    @Test
    void closingEndsTheReadingAndWhoWaitsForIt() throws Exception {
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            PackedWeights weights = open(new LoadOptions(1, 4096, LoadOptions.DirectIo.OFF));
            Future<TensorView> last = thread.submit(() -> weights.take("t9"));
            MemorySegment first = weights.take("t0").data();
            weights.close();
            weights.close();
            assertThatThrownBy(() -> first.get(ValueLayout.JAVA_BYTE, 0)).isInstanceOf(IllegalStateException.class);
            assertThatThrownBy(() -> weights.take("t0")).hasMessage(file + " is closed");
            try {
                last.get();
            } catch (java.util.concurrent.ExecutionException e) {
                assertThat(e).hasRootCauseMessage(file + " is closed");
            }
        }
    }

    @Test
    void memoryIsGivenBack() {
        long before = mappings();
        for (int i = 0; i < 20; i++) {
            try (PackedWeights weights = open(LoadOptions.DEFAULT)) {
                weights.take("t4");
                weights.release("t4");
                weights.take("t" + i % SIZES.size());
            }
        }
        assertThat(mappings() - before).isLessThan(100L * MIB);
    }

    /** Bytes of memory that is this process's own. */
    private static long mappings() {
        try {
            return Files.readAllLines(Path.of("/proc/self/status")).stream()
                    .filter(line -> line.startsWith("RssAnon:"))
                    .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("\\D", "")))
                    .sum();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private PackedWeights open(LoadOptions options) {
        return PackedWeights.open(file, digest, options, PackedWeights.Keep.TENSORS);
    }

    private void assertAllThere(PackedWeights weights) {
        tensors.forEach((name, expected) -> {
            TensorView tensor = weights.take(name);
            assertThat(tensor.data().address() % 4096).isZero();
            assertThat(tensor.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(expected);
        });
    }

    private static byte[] bytes(PackedWeights weights, String name) {
        return weights.take(name).data().toArray(ValueLayout.JAVA_BYTE);
    }

    private void flip(long at) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        bytes[(int) at] ^= 1;
        Files.write(file, bytes);
    }
}
