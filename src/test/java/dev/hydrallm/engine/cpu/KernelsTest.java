package dev.hydrallm.engine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AddLifecycleHook;
import net.jqwik.api.lifecycle.AfterTry;

/** Products of int8 codes give the same bits as integers in Java, with every instruction set and on any number of threads. */
@AddLifecycleHook(OnlyWithKernels.class)
class KernelsTest {
    private static final int ALL_LEVELS = Integer.MAX_VALUE;
    private static final int HANGUP = 1;
    private static final int INTERRUPT = 2;
    private static final int QUIT = 3;
    private static final int SEGMENTATION_FAULT = 11;
    private static final int TERMINATE = 15;

    private final Kernels kernels = Kernels.ofProcessor().orElseThrow();

    @AfterTry
    void useAllInstructions() {
        kernels.limit(ALL_LEVELS);
    }

    /** A matrix, (outputs, inputs) codes with (outputs) scales. */
    private record Matrix(int outputs, int inputs, byte[] codes, float[] scales) {
        /** Codes over the whole range of a byte, a row of zeros, a row of the largest codes and one of the smallest. */
        static Matrix random(Random random, int outputs, int inputs) {
            byte[] codes = new byte[outputs * inputs];
            random.nextBytes(codes);
            for (int i = 0; i < inputs; i++) {
                codes[i] = Byte.MIN_VALUE;
                if (outputs > 1) {
                    codes[inputs + i] = Byte.MAX_VALUE;
                }
                if (outputs > 2) {
                    codes[2 * inputs + i] = 0;
                }
            }
            return new Matrix(outputs, inputs, codes, floats(random, outputs, 1e-3));
        }

        /** By definition: codes of the row times codes of the weights, times both scales in single precision. */
        float[] times(float[] row) {
            float largest = 0;
            for (float each : row) {
                largest = Math.max(largest, Math.abs(each));
            }
            float inverse = largest > 0 ? 127 / largest : 0;
            float[] product = new float[outputs];
            for (int o = 0; o < outputs; o++) {
                long sum = 0;
                for (int i = 0; i < inputs; i++) {
                    sum += (long) Math.rint(row[i] * inverse) * codes[o * inputs + i];
                }
                product[o] = (float) sum * (largest / 127 * scales[o]);
            }
            return product;
        }
    }

    private static float[] floats(Random random, int count, double size) {
        float[] floats = new float[count];
        for (int i = 0; i < count; i++) {
            floats[i] = (float) (size * random.nextGaussian());
        }
        return floats;
    }

    /** Rows of very different size, the second one of zeros. */
    private static float[][] rows(Random random, int count, int inputs) {
        float[][] rows = new float[count][];
        Arrays.setAll(rows, row -> floats(random, inputs, row == 1 ? 0 : Math.pow(10, random.nextInt(-25, 25))));
        return rows;
    }

    private float[][] multiply(Matrix matrix, int threads, float[]... rows) {
        try (Arena arena = Arena.ofConfined()) {
            int tiles = Math.ceilDiv(matrix.outputs(), Kernels.TILE);
            long padded = Math.ceilDiv(matrix.inputs(), 4) * 4L;
            MemorySegment packed = arena.allocate((long) tiles * Kernels.TILE * padded, 64);
            MemorySegment codes = arena.allocateFrom(ValueLayout.JAVA_BYTE, matrix.codes());
            kernels.pack(codes, 0, matrix.outputs(), matrix.inputs(), packed);
            MemorySegment scales = arena.allocate(4L * tiles * Kernels.TILE, 64);
            MemorySegment.copy(matrix.scales(), 0, scales, ValueLayout.JAVA_FLOAT, 0, matrix.outputs());
            MemorySegment structure = Struct.of(4, arena)
                    .pointer(packed)
                    .pointer(scales)
                    .number(matrix.outputs())
                    .number(matrix.inputs())
                    .memory();
            MemorySegment x = arena.allocate(4L * rows.length * matrix.inputs(), 64);
            for (int row = 0; row < rows.length; row++) {
                MemorySegment.copy(
                        rows[row], 0, x, ValueLayout.JAVA_FLOAT, 4L * row * matrix.inputs(), matrix.inputs());
            }
            MemorySegment out = arena.allocate(4L * rows.length * matrix.outputs(), 64);
            kernels.linear(workspace(threads, rows.length, padded, arena), structure, x, rows.length, out);
            float[] all = out.toArray(ValueLayout.JAVA_FLOAT);
            float[][] product = new float[rows.length][];
            Arrays.setAll(
                    product, row -> Arrays.copyOfRange(all, row * matrix.outputs(), (row + 1) * matrix.outputs()));
            return product;
        }
    }

    /** Of a workspace what products need. */
    private MemorySegment workspace(int threads, int rows, long inputs, Arena arena) {
        kernels.threads(threads);
        Struct workspace = Struct.of(9, arena)
                .number(threads)
                .pointer(arena.allocate(rows * inputs, 64))
                .pointer(arena.allocate(4L * rows, 64))
                .pointer(arena.allocate(4L * rows, 64));
        for (int unused = 0; unused < 5; unused++) {
            workspace.pointer(MemorySegment.NULL);
        }
        return workspace.memory();
    }

    @Property(tries = 300)
    void aProductHasTheBitsOfItsDefinitionWithEveryInstructionSet(
            @ForAll @IntRange(min = 1, max = 200) int inputs,
            @ForAll @IntRange(min = 1, max = 140) int outputs,
            @ForAll @IntRange(min = 1, max = 20) int count,
            @ForAll @IntRange(min = 1, max = 4) int threads) {
        Random random = new Random(inputs * 1000L + outputs);
        Matrix matrix = Matrix.random(random, outputs, inputs);
        float[][] rows = rows(random, count, inputs);
        float[][] expected = Arrays.stream(rows).map(matrix::times).toArray(float[][]::new);
        for (int level = 1; level <= kernels.level(); level++) {
            kernels.limit(level);
            assertThat(multiply(matrix, threads, rows)).as("level %d", level).isDeepEqualTo(expected);
        }
    }

    @Example
    void theLongestRowsOfTheLargestCodesDoNotOverflow() {
        int inputs = CpuProgram.MOST_INPUTS;
        Matrix matrix = Matrix.random(new Random(1), 5, inputs);
        float[][] rows = {new float[inputs], new float[inputs], floats(new Random(2), inputs, 1)};
        Arrays.fill(rows[0], 3);
        Arrays.fill(rows[1], -3);
        float[][] expected = Arrays.stream(rows).map(matrix::times).toArray(float[][]::new);
        for (int level = 1; level <= kernels.level(); level++) {
            kernels.limit(level);
            assertThat(multiply(matrix, 2, rows)).as("level %d", level).isDeepEqualTo(expected);
        }
    }

    @Example
    void aRowThatIsNoNumberIsNoneAfterwardsAndSpoilsNoOther() {
        Random random = new Random(3);
        Matrix matrix = Matrix.random(random, 70, 50);
        float[][] rows = rows(random, 9, 50);
        rows[2][7] = Float.NaN;
        rows[4][0] = Float.POSITIVE_INFINITY;
        rows[5][49] = Float.NEGATIVE_INFINITY;
        Arrays.fill(rows[7], Float.NaN);
        rows[8][3] = Float.MIN_VALUE;
        for (int level = 1; level <= kernels.level(); level++) {
            kernels.limit(level);
            float[][] found = multiply(matrix, 2, rows);
            for (int row : new int[] {0, 1, 3, 6, 8}) {
                assertThat(found[row]).as("row %d, level %d", row, level).isEqualTo(matrix.times(rows[row]));
            }
            for (int row : new int[] {2, 4, 5, 7}) {
                assertThat(found[row]).as("row %d, level %d", row, level).containsOnly(Float.NaN);
            }
        }
    }

    /** In the whole vectors and behind them. */
    @Property(tries = 60)
    void oneNumberThatIsNoneSpoilsItsWholeRow(@ForAll @IntRange(min = 0, max = 49) int place) {
        Matrix matrix = Matrix.random(new Random(4), 40, 50);
        float[][] rows = {floats(new Random(place), 50, 1)};
        rows[0][place] = Float.intBitsToFloat(place % 2 == 0 ? 0x7fc00000 : 0xffc00000);
        assertThat(multiply(matrix, 1, rows)[0]).containsOnly(Float.NaN);
    }

    @Example
    void callersOnManyThreadsShareThePool() throws Exception {
        try (ExecutorService callers = Executors.newFixedThreadPool(6)) {
            List<Future<?>> running = new ArrayList<>();
            for (int caller = 0; caller < 6; caller++) {
                int threads = 1 + caller % 4;
                Random random = new Random(caller);
                Matrix matrix = Matrix.random(random, 300 + 100 * caller, 300);
                float[][] rows = rows(random, 1 + caller, 300);
                float[][] expected = Arrays.stream(rows).map(matrix::times).toArray(float[][]::new);
                Callable<?> work = () -> {
                    for (int i = 0; i < 200; i++) {
                        assertThat(multiply(matrix, threads, rows)).isDeepEqualTo(expected);
                    }
                    return expected;
                };
                running.add(callers.submit(work));
            }
            for (Future<?> each : running) {
                each.get();
            }
        }
    }

    @Property(tries = 300)
    void theLargestComeFirstAndOfEqualsTheFirst(
            @ForAll @IntRange(min = 1, max = 1200) int count,
            @ForAll @IntRange(min = 1, max = 20) int wanted,
            @ForAll @IntRange(min = 1, max = 500) int different) {
        Random random = new Random(count);
        float[] row = new float[count];
        for (int i = 0; i < count; i++) {
            row[i] = random.nextInt(different) - different / 2f;
        }
        int most = Math.min(wanted, count);
        int[] expected = IntStream.range(0, count)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -row[i]))
                .limit(most)
                .mapToInt(Integer::intValue)
                .toArray();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment places = arena.allocate(ValueLayout.JAVA_INT, most);
            kernels.top(arena.allocateFrom(ValueLayout.JAVA_FLOAT, row), count, places, most);
            assertThat(places.toArray(ValueLayout.JAVA_INT)).isEqualTo(expected);
        }
    }

    @Example
    void ofNoneWantedNoneComes() {
        try (Arena arena = Arena.ofConfined()) {
            // Between two ones that nobody may touch.
            MemorySegment places = arena.allocateFrom(ValueLayout.JAVA_INT, Integer.MAX_VALUE, Integer.MAX_VALUE);
            MemorySegment row = arena.allocateFrom(ValueLayout.JAVA_FLOAT, floats(new Random(1), 700, 1));
            kernels.top(row, 700, places.asSlice(Integer.BYTES), 0);
            assertThat(places.toArray(ValueLayout.JAVA_INT)).containsOnly(Integer.MAX_VALUE);
        }
    }

    @Example
    void ofMoreThanThereAreAllCome() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment places = arena.allocateFrom(ValueLayout.JAVA_INT, -1, -1, -1, -1, -1);
            kernels.top(arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 3, 2), 3, places, 5);
            assertThat(places.toArray(ValueLayout.JAVA_INT)).containsExactly(1, 2, 0, -1, -1);
        }
    }

    /** A signal that ends the process is the Java machine's to handle, and its own threads listen. */
    @Example
    void threadsOfThePoolTakeNoSignals() throws IOException {
        kernels.threads(3);
        try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
            List<Path> pool = tasks.filter(task -> status(task, "Name").equals("hydra-kernels"))
                    .toList();
            assertThat(pool).hasSizeGreaterThanOrEqualTo(2);
            for (Path task : pool) {
                long blocked = Long.parseUnsignedLong(status(task, "SigBlk"), 16);
                for (int signal : new int[] {HANGUP, INTERRUPT, QUIT, TERMINATE}) {
                    assertThat(blocked >>> (signal - 1) & 1)
                            .as("signal %d", signal)
                            .isOne();
                }
                assertThat(blocked >>> (SEGMENTATION_FAULT - 1) & 1)
                        .as("a crash is reported")
                        .isZero();
            }
        }
    }

    private static String status(Path task, String field) {
        try {
            return Files.readAllLines(task.resolve("status")).stream()
                    .filter(line -> line.startsWith(field + ":"))
                    .map(line -> line.substring(field.length() + 1).strip())
                    .findFirst()
                    .orElse("");
        } catch (IOException e) {
            return ""; // it has ended meanwhile
        }
    }
}
