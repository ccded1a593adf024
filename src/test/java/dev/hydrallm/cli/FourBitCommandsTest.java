package dev.hydrallm.cli;

import static dev.hydrallm.cli.CliRun.assertRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.testing.WideCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The options of 4-bit packs and their errors. */
class FourBitCommandsTest {
    @TempDir
    Path directory;

    private Path heads = Path.of("");

    @BeforeEach
    void writeACheckpoint() {
        heads = WideCheckpoint.writeHeads(directory, DType.F16);
    }

    @Test
    void int4HasGroupsOf64AndEmbeddingsOf8BitsByDefault() {
        assertThat(packed("--quantize", "int4"))
                .hasToString("{EMBEDDING=int8, LAYERS=int4-g64, LM_HEAD=int8, FORKED_LAYERS=int4-g64, HEADS=int4-g64}");
    }

    @Test
    void nf4HasEmbeddingsOf8BitsByDefault() {
        assertThat(packed("--quantize", "nf4"))
                .hasToString("{EMBEDDING=int8, LAYERS=nf4, LM_HEAD=int8, FORKED_LAYERS=nf4, HEADS=nf4}");
    }

    @Test
    void groupSizeAndAsymmetryAreForEveryInt4Group() {
        assertThat(packed("--quantize", "INT4", "--group-size", 32, "--asymmetric", "--quantize-embeddings", "int4"))
                .hasToString("{EMBEDDING=int4-g32-asym, LAYERS=int4-g32-asym, LM_HEAD=int4-g32-asym,"
                        + " FORKED_LAYERS=int4-g32-asym, HEADS=int4-g32-asym}");
    }

    @Test
    void headsAndEmbeddingsChooseTheirOwn() {
        assertThat(packed("--quantize", "int8", "--quantize-heads", "int4", "--quantize-embeddings", "none"))
                .hasToString("{EMBEDDING=f16, LAYERS=int8, LM_HEAD=f16, FORKED_LAYERS=int4-g64, HEADS=int4-g64}");
    }

    @Test
    void anOptionOfInt4WithoutInt4IsRefused() {
        assertRefused(pack("--quantize", "nf4", "--group-size", 32), "--group-size is for int4");
        assertRefused(pack("--quantize", "int8", "--asymmetric"), "--asymmetric is for int4");
    }

    @Test
    void aGroupSizeThatThereIsNotIsRefused() {
        assertRefused(
                pack("--quantize", "int4", "--group-size", 48), "a group of 48 weights; int4 has groups of 32, 64");
    }

    @Test
    void columnsThatDoNotDivideAreRefused() {
        assertRefused(
                pack("--quantize", "int4", "--group-size", 128),
                "layers.0.qkv has 64 columns, which do not divide into groups of 128");
        assertThat(directory.resolve("packed")).doesNotExist();
    }

    @Test
    void inspectTellsFormatAndSizeOfEveryGroup() {
        assertThat(pack("--quantize", "int4").exitCode()).isZero();
        CliRun run = CliRun.of("inspect", "--model", directory.resolve("packed"));
        assertThat(run.exitCode()).isZero();
        assertThat(run.out().lines().map(line -> line.replaceAll(" +", " ")))
                .contains(
                        "group format weights bits each MB",
                        "layers int4-g64 73,728 4.25 0.04",
                        "forked layers int4-g64 36,864 4.25 0.02",
                        "lm head int8 1,024 8.50 0.00");
    }

    @Test
    void loadIn4bitPacksACheckpointIntoTheCacheOnce() throws IOException {
        assumeTrue(System.getenv("XDG_CACHE_HOME") == null, "XDG_CACHE_HOME takes the cache elsewhere");
        String home = System.getProperty("user.home");
        System.setProperty("user.home", directory.resolve("home").toString());
        try {
            CliRun first = CliRun.of("inspect", "--model", heads, "--load-in-4bit");
            assertThat(first.exitCode()).isZero();
            assertThat(first.err()).contains("packing " + heads);
            assertThat(first.out()).contains("int4-g64");
            CliRun second = CliRun.of("inspect", "--model", heads, "--load-in-4bit");
            assertThat(second.err()).isEmpty();
            assertThat(second.out()).isEqualTo(first.out());
            CliRun eight = CliRun.of("inspect", "--model", heads, "--load-in-8bit");
            assertThat(eight.out()).contains("int8").doesNotContain("int4");
            try (Stream<Path> packs = Files.list(directory.resolve("home/.cache/hydra/packs"))) {
                assertThat(packs.filter(Files::isDirectory)).hasSize(2);
            }
        } finally {
            System.setProperty("user.home", home);
        }
    }

    private Map<TensorGroup, Object> packed(Object... arguments) {
        CliRun run = pack(arguments);
        assertThat(run.err()).contains("Packed into");
        assertThat(run.exitCode()).isZero();
        try (PackedModel pack = PackedModel.open(directory.resolve("packed"))) {
            return new TreeMap<>(pack.manifest().quantization());
        }
    }

    private CliRun pack(Object... arguments) {
        Object[] all = Arrays.copyOf(arguments, arguments.length + 4);
        Object[] places = {"--model", heads, "--output", directory.resolve("packed")};
        System.arraycopy(places, 0, all, arguments.length, places.length);
        return CliRun.of("pack", all);
    }
}
