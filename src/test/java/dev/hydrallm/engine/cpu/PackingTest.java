package dev.hydrallm.engine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.hydrallm.engine.FourBitGroups;
import dev.hydrallm.engine.Tasks;
import dev.hydrallm.model.DType;
import dev.hydrallm.model.PackLayout;
import dev.hydrallm.model.TensorGroup;
import dev.hydrallm.quantization.FourBit;
import dev.hydrallm.quantization.Int4;
import dev.hydrallm.quantization.Nf4;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.lifecycle.AddLifecycleHook;

/** Packing gives the bytes that its definition in Java gives. */
@AddLifecycleHook(OnlyWithKernels.class)
class PackingTest {
    private static final byte UNTOUCHED = 77;

    private final Kernels kernels = Kernels.ofProcessor().orElseThrow();

    /** Formats of 4-bit codes. */
    enum Format {
        SYMMETRIC,
        ASYMMETRIC,
        NF4
    }

    /** A matrix of 4-bit codes, (outputs, inputs / 2). */
    private record Matrix(int outputs, int inputs, int group, byte[] codes, FourBit.Levels levels) {
        int groups() {
            return inputs / group;
        }

        byte[] row(int output) {
            return Arrays.copyOfRange(codes, output * inputs / 2, (output + 1) * inputs / 2);
        }
    }

    /** Tiles, and the scales of (outputs) with those of the padding. */
    private record Packed(boolean finite, byte[] tiles, float[] scales) {}

    /** For every four inputs, the four codes of each of a tile's outputs, plus 128. */
    private static byte[] tiles(byte[] codes, int outputs, int inputs) {
        int padded = Math.ceilDiv(inputs, 4) * 4;
        byte[] tiles = new byte[Math.ceilDiv(outputs, Kernels.TILE) * Kernels.TILE * padded];
        Arrays.fill(tiles, (byte) 128);
        for (int o = 0; o < outputs; o++) {
            for (int i = 0; i < inputs; i++) {
                int quad = i / 4 * Kernels.TILE + o % Kernels.TILE;
                tiles[o / Kernels.TILE * Kernels.TILE * padded + 4 * quad + i % 4] =
                        (byte) (codes[o * inputs + i] + 128);
            }
        }
        return tiles;
    }

    private static MemorySegment untouched(long bytes, Arena arena) {
        return arena.allocate(bytes, 64).fill(UNTOUCHED);
    }

    /** Packs the parts between some places, in their order. */
    private byte[] packed(byte[] codes, int outputs, int inputs, List<Part> parts) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment tiles = untouched(tiles(codes, outputs, inputs).length, arena);
            MemorySegment all = arena.allocateFrom(ValueLayout.JAVA_BYTE, codes);
            parts.forEach(part ->
                    kernels.pack(all.asSlice(part.from, part.to - part.from), part.from, outputs, inputs, tiles));
            return tiles.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /** Places in a matrix. */
    private record Part(int from, int to) {}

    private static List<Part> parts(int size, int count, Random random) {
        int[] ends = IntStream.concat(IntStream.of(0, size), random.ints(count, 0, size + 1))
                .sorted()
                .toArray();
        List<Part> parts = new ArrayList<>();
        for (int i = 1; i < ends.length; i++) {
            parts.add(new Part(ends[i - 1], ends[i]));
        }
        Collections.shuffle(parts, random);
        return parts;
    }

    /** Packs the parts between some places of its codes, in their order, each on one of some threads. */
    private Packed packed(Matrix matrix, List<Part> parts, int threads) {
        try (Arena arena = Arena.ofShared()) {
            int outputs = Math.ceilDiv(matrix.outputs(), Kernels.TILE) * Kernels.TILE;
            MemorySegment tiles = untouched((long) outputs * matrix.inputs(), arena);
            MemorySegment scales = arena.allocate(ValueLayout.JAVA_FLOAT, outputs);
            MemorySegment all = arena.allocateFrom(ValueLayout.JAVA_BYTE, matrix.codes());
            PackLayout.Matrix shape =
                    new PackLayout.Matrix("a matrix", TensorGroup.LAYERS, matrix.outputs(), matrix.inputs());
            AtomicInteger asked = new AtomicInteger();
            try (FourBitSink sink = new FourBitSink(
                            kernels,
                            shape,
                            memory -> {
                                asked.incrementAndGet();
                                return groups(matrix, memory);
                            },
                            tiles,
                            scales);
                    ExecutorService pool = Executors.newFixedThreadPool(threads)) {
                List<Future<?>> writing = new ArrayList<>();
                for (Part part : parts) {
                    writing.add(pool.submit(() -> sink.write(part.from, all.asSlice(part.from, part.to - part.from))));
                }
                writing.forEach(Tasks::await);
            }
            assertThat(asked).hasValue(1);
            float[] found = scales.toArray(ValueLayout.JAVA_FLOAT);
            return new Packed(areFinite(found), tiles.toArray(ValueLayout.JAVA_BYTE), found);
        }
    }

    private Packed packed(Matrix matrix) {
        return packed(matrix, List.of(new Part(0, matrix.codes().length)), 1);
    }

    /** Numbers of half precision where all are such and have offsets, as int4's; else without offsets where all are none. */
    private static FourBitGroups groups(Matrix matrix, SegmentAllocator memory) {
        float[] factors = matrix.levels().factors();
        float[] offsets = matrix.levels().offsets();
        boolean half = areHalves(factors) && areHalves(offsets);
        boolean none = IntStream.range(0, offsets.length).allMatch(i -> Float.floatToRawIntBits(offsets[i]) == 1 << 31);
        return new FourBitGroups(
                matrix.group(),
                matrix.levels().pattern(),
                half ? DType.F16 : DType.F32,
                numbers(factors, half, memory),
                none ? Optional.empty() : Optional.of(numbers(offsets, half, memory)));
    }

    private static boolean areHalves(float[] numbers) {
        return IntStream.range(0, numbers.length)
                .allMatch(i -> Float.compare(Float.float16ToFloat(Float.floatToFloat16(numbers[i])), numbers[i]) == 0);
    }

    private static MemorySegment numbers(float[] numbers, boolean half, SegmentAllocator memory) {
        if (!half) {
            return memory.allocateFrom(ValueLayout.JAVA_FLOAT, numbers);
        }
        short[] halves = new short[numbers.length];
        for (int i = 0; i < halves.length; i++) {
            halves[i] = Float.floatToFloat16(numbers[i]);
        }
        return memory.allocateFrom(ValueLayout.JAVA_SHORT, halves);
    }

    private static boolean areFinite(float[] numbers) {
        return IntStream.range(0, numbers.length).allMatch(i -> Float.isFinite(numbers[i]));
    }

    private static Packed defined(Matrix matrix) {
        FourBit.Expansion expansion = new FourBit.Expansion(matrix.inputs(), matrix.group());
        byte[] codes = new byte[matrix.outputs() * matrix.inputs()];
        float[] scales = new float[Math.ceilDiv(matrix.outputs(), Kernels.TILE) * Kernels.TILE];
        byte[] row = new byte[matrix.inputs()];
        for (int o = 0; o < matrix.outputs(); o++) {
            FourBit.Levels levels = matrix.levels().groups(o * matrix.groups(), matrix.groups());
            try {
                scales[o] = expansion.toInt8(matrix.row(o), levels, row);
            } catch (IllegalArgumentException e) {
                return new Packed(false, new byte[0], new float[0]);
            }
            System.arraycopy(row, 0, codes, o * row.length, row.length);
        }
        return new Packed(true, tiles(codes, matrix.outputs(), matrix.inputs()), scales);
    }

    private void assertAsDefined(Matrix matrix) {
        assertAsDefined(matrix, packed(matrix));
    }

    /** With no more than a level's instructions. */
    private void assertAsDefined(Matrix matrix, int level) {
        kernels.limit(level);
        try {
            assertAsDefined(matrix);
        } finally {
            kernels.limit(Integer.MAX_VALUE);
        }
    }

    private static void assertAsDefined(Matrix matrix, Packed found) {
        Packed expected = defined(matrix);
        assertThat(found.finite()).isEqualTo(expected.finite());
        if (expected.finite()) {
            assertThat(found.scales()).isEqualTo(expected.scales());
            assertThat(found.tiles()).isEqualTo(expected.tiles());
        }
    }

    @Property(tries = 200)
    void tilesHoldFourInputsOfEachOutputTogether(
            @ForAll @IntRange(min = 1, max = 140) int outputs, @ForAll @IntRange(min = 1, max = 200) int inputs) {
        byte[] codes = new byte[outputs * inputs];
        new Random(outputs * 1000L + inputs).nextBytes(codes);
        List<Part> whole = List.of(new Part(0, codes.length));
        assertThat(packed(codes, outputs, inputs, whole)).isEqualTo(tiles(codes, outputs, inputs));
    }

    @Property(tries = 300)
    void partsComeInAnyOrder(
            @ForAll @IntRange(min = 1, max = 140) int outputs,
            @ForAll @IntRange(min = 1, max = 200) int inputs,
            @ForAll @IntRange(min = 1, max = 12) int count,
            @ForAll long seed) {
        Random random = new Random(seed);
        byte[] codes = new byte[outputs * inputs];
        random.nextBytes(codes);
        List<Part> parts = parts(codes.length, count, random);
        assertThat(packed(codes, outputs, inputs, parts)).isEqualTo(tiles(codes, outputs, inputs));
    }

    /** Scales over the whole range of the format, in which rounding to subnormal numbers happens, and alike ones. */
    @Property(tries = 500)
    void fourBitCodesBecomeTheInt8OnesOfTheirDefinition(
            @ForAll Format format,
            @ForAll("groupSizes") int group,
            @ForAll @IntRange(min = 1, max = 20) int groups,
            @ForAll @IntRange(min = 1, max = 70) int outputs,
            @ForAll boolean alike,
            @ForAll @IntRange(min = 1, max = 2) int level,
            @ForAll long seed) {
        assertAsDefined(matrix(format, outputs, groups, group, new Random(seed), alike), level);
    }

    /** Eight times such a scale is 127 times a power of two: half of it stands between two codes. */
    @Property(tries = 20)
    void halvesBecomeEvenCodes(@ForAll @IntRange(min = 1, max = 2) int level, @ForAll long seed) {
        Random random = new Random(seed);
        Matrix drawn = matrix(Format.SYMMETRIC, 32, 4, 32, random, true);
        short[] scales = new short[32 * 4];
        for (int i = 0; i < scales.length; i++) {
            scales[i] = Float.floatToFloat16(Math.scalb(127f, -random.nextInt(7, 12)));
        }
        for (int i = 0; i < drawn.codes().length; i += 16) {
            drawn.codes()[i] = 0x04;
        }
        assertAsDefined(new Matrix(32, 128, 32, drawn.codes(), Int4.symmetric(scales)), level);
    }

    /** Cut within rows and between them, any number of times within one. */
    @Property(tries = 300)
    void partsOfFourBitCodesComeInAnyOrderFromAnyThread(
            @ForAll Format format,
            @ForAll("groupSizes") int group,
            @ForAll @IntRange(min = 1, max = 12) int groups,
            @ForAll @IntRange(min = 1, max = 100) int outputs,
            @ForAll @IntRange(min = 0, max = 30) int cuts,
            @ForAll @IntRange(min = 1, max = 4) int threads,
            @ForAll long seed) {
        Random random = new Random(seed);
        Matrix matrix = matrix(format, outputs, groups, group, random, true);
        List<Part> parts = parts(matrix.codes().length, cuts, random);
        assertAsDefined(matrix, packed(matrix, parts, threads));
    }

    @Example
    void aRowMayComeByteByByte() {
        Random random = new Random(3);
        Matrix matrix = matrix(Format.ASYMMETRIC, 9, 3, 32, random, true);
        List<Part> parts = IntStream.range(0, matrix.codes().length)
                .mapToObj(at -> new Part(at, at + 1))
                .collect(Collectors.toCollection(ArrayList::new));
        Collections.shuffle(parts, random);
        assertAsDefined(matrix, packed(matrix, parts, 4));
    }

    /** Bits at random, with numbers that are not finite among the scales. */
    @Property(tries = 300)
    void damagedScalesAreFoundWhereAWeightHasThem(
            @ForAll("groupSizes") int group, @ForAll @IntRange(min = 1, max = 3) int outputs, @ForAll long seed) {
        Random random = new Random(seed);
        Matrix matrix = matrix(Format.ASYMMETRIC, outputs, 2, group, random, true);
        float[] factors = matrix.levels().factors();
        float[] offsets = matrix.levels().offsets();
        float[] bad = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.MAX_VALUE, 0, -0f};
        factors[random.nextInt(factors.length)] = bad[random.nextInt(bad.length)];
        offsets[random.nextInt(offsets.length)] = bad[random.nextInt(bad.length)];
        Arrays.fill(matrix.codes(), 0, group / 2, (byte) (random.nextInt(16) * 0x11));
        assertAsDefined(matrix);
    }

    @Example
    void aRowOfZerosHasScaleOneAndATinyOneANormalScale() {
        float[] pattern = Int4.symmetric(new short[0]).pattern();
        float[] none = {-0f, -0f};
        FourBit.Levels levels = new FourBit.Levels(pattern, new float[] {0, Float.MIN_VALUE}, none);
        byte[] codes = new byte[32];
        new Random(1).nextBytes(codes);
        Matrix matrix = new Matrix(2, 32, 32, codes, levels);
        assertAsDefined(matrix);
        assertThat(Arrays.copyOf(packed(matrix).scales(), 2)).containsExactly(1, Float.MIN_NORMAL);
    }

    private static Matrix matrix(Format format, int outputs, int groups, int group, Random random, boolean alike) {
        byte[] codes = new byte[outputs * groups * group / 2];
        random.nextBytes(codes);
        short[] scales = halves(outputs * groups, random, alike);
        FourBit.Levels levels = switch (format) {
            case SYMMETRIC -> Int4.symmetric(scales);
            case ASYMMETRIC -> Int4.asymmetric(scales, halves(scales.length, random, alike));
            case NF4 -> Nf4.levels(absmaxes(scales.length, random));
        };
        return new Matrix(outputs, groups * group, group, codes, levels);
    }

    private static short[] halves(int count, Random random, boolean alike) {
        short[] halves = new short[count];
        for (int i = 0; i < count; i++) {
            do {
                halves[i] = alike
                        ? Float.floatToFloat16((float) (0.01 * (1 + 0.1 * random.nextGaussian())))
                        : (short) random.nextInt();
            } while (!Float.isFinite(Float.float16ToFloat(halves[i])));
        }
        return halves;
    }

    private static Nf4.Absmaxes absmaxes(int count, Random random) {
        float[] absmaxes = new float[count];
        for (int i = 0; i < count; i++) {
            absmaxes[i] = (float) Math.exp(3 * random.nextGaussian());
        }
        return Nf4.Absmaxes.encode(absmaxes);
    }

    @Provide
    Arbitrary<Integer> groupSizes() {
        return Arbitraries.of(32, 64, 128);
    }
}
