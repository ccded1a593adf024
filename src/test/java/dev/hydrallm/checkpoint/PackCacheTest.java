package dev.hydrallm.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.testing.TinyCheckpoint;
import dev.hydrallm.testing.TorchZip;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PackCacheTest {
    @TempDir
    Path directory;

    private final Told told = new Told();

    @BeforeEach
    void writeTheCheckpoint() {
        TinyCheckpoint.writeBase(directory.resolve("base"), TinyCheckpoint.base(DType.F16));
        Path heads = TinyCheckpoint.writeHeadsConfig(directory.resolve("heads"), 2, 1, 0);
        TorchZip.save(heads.resolve("medusa_lm_head.pt"), TinyCheckpoint.medusa(DType.F16, 2, 1));
    }

    @Test
    void aCheckpointIsPackedOnce() throws IOException {
        Path first = open(Quantization.NONE);
        assertThat(open(Quantization.NONE)).isEqualTo(first);
        assertThat(told.lines).singleElement().asString().contains("packing ", ", once");
    }

    @Test
    void everyQuantizationHasItsOwnPack() throws IOException {
        assertThat(open(Quantization.INT8)).isNotEqualTo(open(Quantization.NONE));
        assertThat(told.lines).hasSize(2);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"base/model.safetensors", "base/config.json", "heads/medusa_lm_head.pt", "base/tokenizer.json"})
    void aFileThatChangedMakesAnotherPack(String changed) throws IOException {
        Path first = open(Quantization.NONE);
        Files.setLastModifiedTime(directory.resolve(changed), FileTime.fromMillis(1_000_000));
        assertThat(open(Quantization.NONE)).isNotEqualTo(first);
        assertThat(packs()).hasSize(2);
    }

    @Test
    void aPackOfAHubsSnapshotIsCalledByItsRepository() throws IOException {
        Path snapshot = TinyCheckpoint.writeBase(
                directory.resolve("models--org--name/snapshots/0123abc"), TinyCheckpoint.base(DType.F16));
        try (PackedModel pack = cache().open(snapshot, Optional.empty(), Quantization.NONE, told)) {
            assertThat(pack.directory().getFileName().toString()).startsWith("org--name-");
            assertThat(pack.manifest().name()).isEqualTo("org/name");
        }
    }

    @Test
    void anotherBaseMakesAnotherPack() throws IOException {
        TinyCheckpoint.writeBase(directory.resolve("tuned"), TinyCheckpoint.base(DType.F32));
        Path first = open(Quantization.NONE);
        Optional<Path> tuned = Optional.of(directory.resolve("tuned"));
        try (PackedModel pack = cache().open(directory.resolve("heads"), tuned, Quantization.NONE, told)) {
            assertThat(pack.directory()).isNotEqualTo(first);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"weights.safetensors", "tokenizer.json", "hydra.json"})
    void aDamagedPackIsMadeAgain(String damaged) throws IOException {
        Path pack = open(Quantization.NONE);
        byte[] good = Files.readAllBytes(pack.resolve(damaged));
        byte[] bad = good.clone();
        bad[bad.length / 2] ^= 1;
        Files.write(pack.resolve(damaged), bad);
        assertThat(open(Quantization.NONE)).isEqualTo(pack);
        assertThat(pack.resolve(damaged)).hasBinaryContent(good);
        assertThat(told.lines).hasSize(3).element(1).asString().contains(damaged, "; packing it again");
    }

    @Test
    void aPackWithoutItsManifestIsMadeAgain() throws IOException {
        Path pack = open(Quantization.NONE);
        Files.delete(pack.resolve("hydra.json"));
        assertThat(open(Quantization.NONE)).isEqualTo(pack);
    }

    @Test
    void aCheckpointThatCannotBePackedLeavesNoPack() throws IOException {
        TorchZip.save(directory.resolve("heads/medusa_lm_head.pt"), TinyCheckpoint.residuals(DType.I8, 2, 1));
        assertThatThrownBy(() -> open(Quantization.NONE)).isInstanceOf(ModelFormatException.class);
        assertThat(packs()).isEmpty();
    }

    @Test
    void threadsThatWantTheSamePackMakeItOnce() throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<Path>> packs = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                packs.add(threads.submit(() -> open(Quantization.INT8)));
            }
            Path first = packs.getFirst().get();
            for (Future<Path> pack : packs) {
                assertThat(pack.get()).isEqualTo(first);
            }
        }
        assertThat(told.lines).hasSize(1);
    }

    @Test
    void whatAKilledProcessLeftIsNoPackAndIsMadeAgain() throws Exception {
        Process child = packInAnotherProcess();
        child.destroyForcibly();
        assertThat(child.waitFor()).isEqualTo(128 + 9);
        assertThat(packs()).singleElement().satisfies(left -> {
            assertThat(left.getFileName().toString()).contains(Packer.UNFINISHED);
            assertThat(left.resolve("weights.safetensors")).exists();
            assertThatThrownBy(() -> PackedModel.open(left)).isInstanceOf(ModelFormatException.class);
        });

        Path pack = open(Quantization.NONE);
        assertThat(packs()).containsExactly(pack);
        assertThat(told.lines).singleElement().asString().contains("packing ");
    }

    @Test
    void aProcessThatWantsWhatAnotherIsPackingWaitsForIt() throws Exception {
        Process child = packInAnotherProcess();
        try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
            Future<Path> second = thread.submit(() -> open(Quantization.NONE));
            child.outputWriter().write("go on\n");
            child.outputWriter().flush();
            Path pack = second.get();
            assertThat(packs()).containsExactly(pack);
        }
        assertThat(child.waitFor()).isZero();
        assertThat(told.lines).isEmpty();
    }

    /** A process that has begun to pack and goes on when it is written to. */
    private Process packInAnotherProcess() throws IOException {
        Process child = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        HaltingPack.class.getName(),
                        directory.resolve("cache").toString(),
                        directory.resolve("heads").toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        BufferedReader out = child.inputReader(StandardCharsets.UTF_8);
        assertThat(out.readLine()).isEqualTo("begun");
        return child;
    }

    private PackCache cache() {
        return new PackCache(directory.resolve("cache"));
    }

    private Path open(Quantization quantization) throws IOException {
        try (PackedModel pack = cache().open(directory.resolve("heads"), Optional.empty(), quantization, told)) {
            return pack.directory();
        }
    }

    private List<Path> packs() throws IOException {
        try (Stream<Path> entries = Files.list(directory.resolve("cache"))) {
            return entries.filter(Files::isDirectory).toList();
        }
    }

    private static final class Told implements PackCache.Listener {
        final List<String> lines = new java.util.concurrent.CopyOnWriteArrayList<>();

        @Override
        public void accept(String line) {
            lines.add(line);
        }

        @Override
        public Packer.Progress progress() {
            return (bytes, total) -> {};
        }
    }
}
