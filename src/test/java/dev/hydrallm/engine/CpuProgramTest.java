package dev.hydrallm.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.hydrallm.decoding.AcceptanceRule;
import dev.hydrallm.decoding.DraftShape;
import dev.hydrallm.decoding.DraftTree;
import dev.hydrallm.decoding.Engine;
import dev.hydrallm.engine.DecoderProgram.Accepted;
import dev.hydrallm.engine.DecoderProgram.Choice;
import dev.hydrallm.engine.DecoderProgram.Rows;
import dev.hydrallm.engine.EngineOptions.Kind;
import dev.hydrallm.engine.cpu.CpuProgram;
import dev.hydrallm.model.Architecture;
import dev.hydrallm.model.DraftLayout;
import dev.hydrallm.model.DraftPart;
import dev.hydrallm.model.LoadOptions;
import dev.hydrallm.model.Manifest;
import dev.hydrallm.model.ModelFormatException;
import dev.hydrallm.model.NamedTrees;
import dev.hydrallm.model.PackedModel;
import dev.hydrallm.model.WeightFormat;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The kernels' program as a whole: its memory, its threads, and batches larger than its rooms were once. */
class CpuProgramTest {
    private static final Path DEMO = Path.of("models", "demo");
    private static final DraftShape WANTED = new DraftShape(8, 3);
    private static final AcceptanceRule GREEDY = new AcceptanceRule.Greedy();
    private static final int[] PROMPT = {1, 310, 412, 77, 2000, 15};

    @TempDir
    Path folder;

    @BeforeAll
    static void needKernels() {
        try (PackedModel demo = PackedModel.open(DEMO)) {
            assumeTrue(
                    CpuProgram.obstacle(demo).isEmpty(),
                    () -> CpuProgram.obstacle(demo).orElseThrow());
        }
    }

    private static EngineOptions kernels(int slots, int context, int threads) {
        return new EngineOptions(slots, context, threads, 64, 64, Kind.KERNELS);
    }

    private static int[] generate(Engine engine, int tokens) {
        DraftTree tree =
                DraftTree.of(NamedTrees.byName("mc_sim_7b_63").orElseThrow()).first(8);
        return Decoding.run(engine, PROMPT, tree, GREEDY, Decoding.tokens(tokens))
                .output();
    }

    @Test
    void enginesOnManyThreadsDoNotDisturbEachOther() throws Exception {
        int[] expected;
        try (PackedModel demo = PackedModel.open(DEMO);
                ModelEngine engine = ModelEngine.load(demo, kernels(1, 256, 1))) {
            expected = generate(engine, 100);
        }
        try (ExecutorService callers = Executors.newFixedThreadPool(4)) {
            List<Future<int[]>> answers = new ArrayList<>();
            for (int threads : new int[] {1, 2, 3, 4}) {
                answers.add(callers.submit(() -> {
                    try (PackedModel demo = PackedModel.open(DEMO);
                            ModelEngine engine = ModelEngine.load(demo, kernels(1, 256, threads))) {
                        return generate(engine, 100);
                    }
                }));
            }
            for (Future<int[]> answer : answers) {
                assertThat(answer.get()).isEqualTo(expected);
            }
        }
    }

    @Test
    void memoryOfClosedEnginesIsFree() throws IOException {
        try (PackedModel demo = PackedModel.open(DEMO)) {
            for (int i = 0; i < 5; i++) {
                loadAndRun(demo);
            }
        }
        Memory before = Memory.now();
        for (int i = 0; i < 50; i++) {
            try (PackedModel demo = PackedModel.open(DEMO)) {
                loadAndRun(demo);
            }
        }
        before.assertNotGrown();
    }

    private static void loadAndRun(PackedModel model) {
        ModelEngine engine = ModelEngine.load(model, kernels(2, 128, 2));
        assertThat(generate(engine, 4)).hasSize(4);
        engine.close();
        engine.close();
    }

    @Test
    void aDamagedPackLeavesNothingBehind() throws IOException {
        Path damaged = damagedDemo();
        fail(damaged, 5);
        Memory before = Memory.now();
        fail(damaged, 50);
        before.assertNotGrown();
    }

    private static void fail(Path damaged, int times) {
        for (int i = 0; i < times; i++) {
            try (PackedModel model = PackedModel.openAhead(damaged, LoadOptions.DEFAULT)) {
                assertThatThrownBy(() -> CpuProgram.load(model, kernels(2, 128, 2), 128))
                        .isInstanceOf(ModelFormatException.class);
            }
        }
    }

    /** The demo's pack with another last byte. */
    private Path damagedDemo() throws IOException {
        Path copy = Files.createDirectories(folder.resolve("damaged"));
        try (Stream<Path> files = Files.list(DEMO)) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        try (RandomAccessFile weights =
                new RandomAccessFile(copy.resolve(Manifest.WEIGHTS_FILE).toFile(), "rw")) {
            weights.seek(weights.length() / 2);
            int old = weights.read();
            weights.seek(weights.length() / 2);
            weights.write(old ^ 1);
        }
        return copy;
    }

    @Test
    void cachesThatFindNoRoomLeaveNothingBehind() throws IOException {
        assumeTrue(
                !Files.readString(Path.of("/proc/sys/vm/overcommit_memory")).startsWith("1"),
                "the system promises memory that it does not have");
        Architecture endless = new Architecture(8, 4, 4, 1, 1024, 1024, 2, 1e-5, 10_000, 1 << 20, true);
        try (PackedModel pack = TinyPack.write(folder, endless, DraftLayout.NONE, WeightFormat.INT8, 0.3)) {
            Memory before = Memory.now();
            for (int i = 0; i < 5; i++) {
                assertThatThrownBy(() -> CpuProgram.load(pack, kernels(1, 0, 1), endless.contextLength()))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("a shorter --context");
            }
            before.assertNotGrown();
        }
    }

    /** What this process takes, MiB. A load that left its weights alone behind would add 20, and its caches 50. */
    private record Memory(long resident, long mapped) {
        private static final long NOISE = 400;

        static Memory now() throws IOException {
            System.gc();
            return new Memory(statusMiB("VmRSS:"), statusMiB("VmSize:"));
        }

        void assertNotGrown() throws IOException {
            Memory after = now();
            assertThat(after.resident - resident).as("resident MiB").isLessThan(NOISE);
            assertThat(after.mapped - mapped).as("mapped MiB").isLessThan(NOISE);
        }
    }

    private static long statusMiB(String field) throws IOException {
        String line = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(each -> each.startsWith(field))
                .findFirst()
                .orElseThrow();
        return Long.parseLong(line.replaceAll("\\D", "")) >> 10;
    }

    @Test
    void moreDifferentTreesThanTheCacheOfShapesKeepsRunTogether() {
        int slots = 90;
        Architecture shape = new Architecture(50, 24, 40, 2, 4, 2, 8, 1e-5, 10_000, 40, false);
        EngineOptions options = new EngineOptions(slots, 0, 2, 1024, 64, Kind.KERNELS);
        try (PackedModel pack = TinyPack.write(folder, shape, new DraftLayout(2, 1, 1, false), WeightFormat.INT8, 0.3);
                CpuProgram program = CpuProgram.load(pack, options, 40)) {
            List<DraftTree> trees = IntStream.range(0, slots)
                    .mapToObj(
                            slot -> DraftTree.of(List.of(List.of(0), List.of(1), List.of(slot + 2), List.of(1, slot))))
                    .toList();
            Random random = new Random(1);
            int[] nodes = random.ints(5L * slots, 0, 50).toArray();
            double[] together = program.verify(nodes, rows(trees, 0, slots), choice(trees, 0, slots));
            for (int slot = 0; slot < slots; slot++) {
                int[] own = Arrays.copyOfRange(nodes, 5 * slot, 5 * slot + 5);
                assertThat(program.verify(own, rows(trees, slot, slot + 1), choice(trees, slot, slot + 1)))
                        .as("slot %d", slot)
                        .isEqualTo(Arrays.copyOfRange(together, 10 * slot, 10 * slot + 10));
            }
        }
    }

    private static List<Rows> rows(List<DraftTree> trees, int from, int to) {
        return IntStream.range(from, to)
                .mapToObj(slot -> new Rows(slot, 0, new RowShape.Nodes(trees.get(slot))))
                .toList();
    }

    private static Choice choice(List<DraftTree> trees, int from, int to) {
        AcceptanceRule scores = new AcceptanceRule.Typical(1, 0, 0);
        return new Choice(
                0,
                new Selection(trees.subList(from, to).stream()
                        .map(tree -> new Selection.Part(scores, tree, 0))
                        .toList()));
    }

    @Test
    void manySequencesAndTheirHeadsMayBeMoreThanAStepsNodes() {
        int slots = 60;
        Architecture shape = new Architecture(50, 128, 40, 2, 4, 2, 8, 1e-5, 10_000, 40, false);
        EngineOptions options = new EngineOptions(slots, 0, 2, 8, 16, Kind.KERNELS);
        try (PackedModel pack = TinyPack.write(
                        folder,
                        shape,
                        new DraftLayout(8, 2, 1, true, Set.of(DraftPart.NEXT_TOKEN)),
                        WeightFormat.INT8,
                        0.3);
                CpuProgram program = CpuProgram.load(pack, options, 40)) {
            List<DraftTree> roots = Collections.nCopies(slots, DraftTree.ROOT_ONLY);
            int[] tokens = new Random(2).ints(slots, 0, 50).toArray();
            List<Rows> all =
                    IntStream.range(0, slots).mapToObj(CpuProgramTest::first).toList();
            program.verify(tokens, rows(roots, 0, slots), choice(roots, 0, slots));
            int[] together = program.draft(Accepted.all(tokens), all, WANTED).tokens();
            for (int slot = 0; slot < slots; slot++) {
                program.verify(new int[] {tokens[slot]}, List.of(first(slot)), choice(roots, slot, slot + 1));
                int[] alone = program.draft(Accepted.all(new int[] {tokens[slot]}), List.of(first(slot)), WANTED)
                        .tokens();
                for (int head = 0; head < 8; head++) {
                    int at = (head * slots + slot) * 3;
                    assertThat(Arrays.copyOfRange(together, at, at + 3))
                            .as("head %d, slot %d", head, slot)
                            .isEqualTo(Arrays.copyOfRange(alone, 3 * head, 3 * head + 3));
                }
            }
        }
    }

    private static Rows first(int slot) {
        return new Rows(slot, 0, new RowShape.Run(1));
    }
}
